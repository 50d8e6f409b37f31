// `pagefold tour`: the lecture on virtual memory, live.
#pragma once

#include <string>
#include <vector>

namespace pagefold::cli {

// Runs the named chapters in order, all when none is named; with list, only names them. Returns the exit code: 1 when
// any claim is found wrong.
// loader: as for `pagefold run --loader`; empty: its default.
int tour_command(const std::vector<std::string>& chapters, bool list, const std::string& loader);

}  // namespace pagefold::cli
