// Random programs of memory and file operations, in the language of tests/guest/helpers/runs_file_operations.c. The
// same seed gives the same program. A program is made of scenes; each begins with `reset` (fresh files, nothing open or
// mapped) and ends by telling what is mapped and what the files hold, so a scene can be looked at, and shrunk, alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pagefold::soak {

using Scene = std::vector<std::string>;  // one line an operation, without the final newline

// Whether a process outside the run takes part: at any time; or announced, after the guests' stores have been written back, and
// before they map the files anew, which is when fully owned files show what it did.
enum class Outsiders { None, Some, Announced };

Scene make_scene(std::uint64_t seed, unsigned operations, Outsiders outsiders = Outsiders::None);
std::string text_of(const std::vector<Scene>& scenes);

}  // namespace pagefold::soak
