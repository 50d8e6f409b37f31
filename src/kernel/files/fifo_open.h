// Opens of FIFOs, which wait for the other end: the one case in which open(2) is interrupted by a signal.
//
// All other opens that come to the supervisor must not show EINTR; the wrapper of handlers without SA_RESTART (signals.h, stub.cc)
// lets them be restarted. It finds in the shared area which threads are about to wait for a FIFO, and shows EINTR to these.
#pragma once

#include "kernel/call.h"

namespace pagefold::kernel {

// The call is let through to the host; `path_address` and `flags` are its arguments. Space::mutex must not be held.
void note_fifo_open(const Call& call, int directory, VirtAddr path_address, std::uint64_t flags);

}  // namespace pagefold::kernel
