// `pagefold tour [CHAPTER]...` and `pagefold tour --list`.
#pragma once

#include <string>
#include <vector>

namespace pagefold::cli {

// Exit code: 0 when every claim told holds, 1 when one does not, 2 for an unknown chapter, 125 when the tour cannot
// start.
int tour_command(const std::vector<std::string>& chapters, bool list);

}  // namespace pagefold::cli
