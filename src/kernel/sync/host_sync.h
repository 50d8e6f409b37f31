// Bringing the host's mappings of a guest in line with the model: the operations that plan() lists are carried out inside the
// guest, by the agent or by a booting thread; commit() notes the result and has faults in what was mapped come to the supervisor.
// All functions want Space::mutex held.
#pragma once

#include <vector>

#include "base/error.h"
#include "kernel/listener.h"
#include "kernel/sync/host_plan.h"

namespace pagefold::kernel {

// plan + agent + commit. Nothing to do costs nothing.
Result<void> synchronise(Space& space, const Listener& listener, VirtRange r, Urgency urgency);
Result<void> carry_out(Space& space, const Listener& listener, const std::vector<HostOp>& ops);

// Where what is mapped goes: over whatever is at its range, or to any free place.
enum class Placement : bool { Fixed, Anywhere };

// Writes operations [from, ...) into the area for the thread whose notification is `id`; descriptors are installed there and
// closed by the batch itself. Returns how many commands it wrote and advances `from`.
Result<std::size_t> stage(Space& space, const Listener& listener, std::uint64_t id, const std::vector<HostOp>& ops,
                          std::size_t& from, Placement placement = Placement::Fixed);
// Notes operations as done in the host map; commit() also registers what was mapped for faults.
void note(Space& space, const std::vector<HostOp>& ops);
Result<void> commit(Space& space, const std::vector<HostOp>& ops);

// Faults in the piece come to the supervisor from now on.
Result<void> register_piece(Space& space, const pmap::HostPiece& piece);

// One system call made by the agent in the guest's name; its result, or its errno.
Result<std::int64_t> call_in_guest(Space& space, const Listener& listener, const stub::Command& command);

}  // namespace pagefold::kernel
