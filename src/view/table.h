// The tables that people read: `pagefold ps`, and `pagefold maps --pages`. (`maps` and `smaps` themselves are in /proc's
// own columns: see proc_text.h.) Names and arguments are the guests' own bytes; what could drive a terminal is escaped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "view/process_view.h"

namespace pagefold::view {

// One line a process: PID PPID UID THR RSS PRIVATE SHARED COMMAND, memory in KiB. Reads pages, not mappings.
std::string ps_table(const std::vector<ProcessView>& processes);

// Each mapping's line of maps, then a line for each run of pages in the same state: address, pages, state.
std::string pages_table(const ProcessView& process);

// Control characters become \ooo, everything else stays.
std::string printable(std::string_view text);

}  // namespace pagefold::view
