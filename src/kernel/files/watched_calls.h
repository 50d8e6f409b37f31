// The system calls that a file watcher is told of (event/file_watch.h), in runs that have one: calls that change files or
// names, wait for the disk, or write to the run's standard output. The host makes them, but for those that wait for the disk:
// these the watcher makes, so that their end has its place in the order of events.
#pragma once

#include <span>

#include "kernel/syscall_table.h"

namespace pagefold::kernel {

std::span<const SyscallRow> watched_calls();
// Null: the call is not watched. A watched call that stands in syscall_table() as well is passed on to its handler there.
Handler find_watched_handler(std::uint32_t number);

}  // namespace pagefold::kernel
