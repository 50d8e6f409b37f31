// `pagefold tour`: the lecture on virtual memory, live.
#pragma once

#include <string>
#include <vector>

namespace pagefold::cli {

// Runs the named chapters in order, all when none is named; with list, only names them. Returns the exit code: 1 when
// any claim is found wrong.
int tour_command(const std::vector<std::string>& chapters, bool list);

}  // namespace pagefold::cli
