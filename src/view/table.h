// The tables that people read: `pagefold ps`, and `pagefold maps --pages`. (`maps` and `smaps` themselves are in
// /proc's own columns: see proc_text.h.) Names and arguments are the guests' own bytes; printable() makes them
// harmless.
#pragma once

#include <string>
#include <vector>

#include "view/process_view.h"

namespace pagefold::view {

// One line a process: PID PPID UID THR RSS PRIVATE SHARED COMMAND, memory in KiB. Reads pages, not mappings.
std::string ps_table(const std::vector<ProcessView>& processes);

// Each mapping's line of maps, then a line for each run of pages in the same state: address, pages, state.
std::string pages_table(const ProcessView& process);

}  // namespace pagefold::view
