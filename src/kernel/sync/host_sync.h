// Bringing the host's mappings of a guest in line with the model.
//
// plan() compares the two over a range and lists the host operations that are due. With Lazy, a difference may stay where
// nothing is mapped yet and the next touch is sure to fault (the background); a fault then plans again, Eager.
// Due operations are carried out inside the guest, by the agent or by a booting thread; commit() notes the result.
// All functions want Space::mutex held.
#pragma once

#include <vector>

#include "base/error.h"
#include "kernel/listener.h"
#include "kernel/space.h"

namespace pagefold::kernel {

enum class Urgency { Lazy, Eager };

struct HostOp {
  enum class Kind { Map, Unmap, Protect };
  Kind kind = Kind::Map;
  pmap::HostPiece piece;  // Map: what to map; Unmap, Protect: range and protection
  int fd = -1;            // Map of Kind::Host: the guest's descriptor
  int flags = 0;          // Map of Kind::Host: the guest's flags
  Bytes file_offset = 0;  // Map of Kind::Host
  vm::ObjectRef keep_alive;  // owns fd until the operation is done
};

std::vector<HostOp> plan(const Space& space, VirtRange r, Urgency urgency);

// Where what is mapped goes: over whatever is at its range, or to any free place.
enum class Placement : bool { Fixed, Anywhere };

// Writes operations [from, ...) into the area for the thread whose notification is `id`; descriptors are installed there and
// closed by the batch itself. Returns how many commands it wrote and advances `from`.
Result<std::size_t> stage(Space& space, const Listener& listener, std::uint64_t id, const std::vector<HostOp>& ops,
                          std::size_t& from, Placement placement = Placement::Fixed);
// Notes operations as done in the host map; commit() also registers what was mapped for faults.
void note(Space& space, const std::vector<HostOp>& ops);
Result<void> commit(Space& space, const std::vector<HostOp>& ops);

// A file of the space is about to be written by somebody (FileObject::given_up): the operations after which the host maps it
// itself. The model is changed at once. Private mappings that may hold copies are left alone; see hand_over.h.
std::vector<HostOp> hand_over(Space& space);

// Faults in the piece come to the supervisor from now on.
Result<void> register_piece(Space& space, const pmap::HostPiece& piece);

// plan + agent + commit. Nothing to do costs nothing.
Result<void> synchronise(Space& space, const Listener& listener, VirtRange r, Urgency urgency);
Result<void> carry_out(Space& space, const Listener& listener, const std::vector<HostOp>& ops);

// One system call made by the agent in the guest's name; its result, or its errno.
Result<std::int64_t> call_in_guest(Space& space, const Listener& listener, const stub::Command& command);

// Stores through the mapping change a fully owned file.
bool tracked(const vm::Vma& v);
// What the host should have for a mapping of the model.
pmap::HostPiece wanted(const vm::Vma& v);

}  // namespace pagefold::kernel
