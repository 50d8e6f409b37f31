// What the host's mappings of a guest lack to agree with the model: plan() compares the two over a range and lists the operations
// that are due. With Lazy, a difference may stay where nothing is mapped yet and the next touch is sure to fault (the
// background); a fault then plans again, Eager. Nothing is changed here: how it is brought about is in host_sync.h.
// Space::mutex held.
#pragma once

#include <vector>

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

// What the host should have for a mapping of the model.
pmap::HostPiece wanted(const vm::Vma& v);

// Stores through the mapping change a fully owned file.
bool tracked(const vm::Vma& v);

}  // namespace pagefold::kernel
