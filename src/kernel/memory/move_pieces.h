// How a mapping is moved, grown or shown twice, once it is clear that it may be. Pages are never copied: a moved mapping keeps its
// range of the layer (which is then "lent": no new mapping may use it), and only the host's mapping of it changes place. What the
// host maps itself, the host moves. Space::mutex held.
#pragma once

#include "kernel/call.h"
#include "kernel/memory/linux_mapping.h"

namespace pagefold::kernel {

// mremap's arguments.
struct Move {
  VirtAddr old_start;
  Bytes old_size, new_size;
  std::uint64_t flags;
  VirtAddr target;

  [[nodiscard]] VirtRange old_range() const { return {old_start, old_start + old_size}; }
  [[nodiscard]] bool fixed() const;
  [[nodiscard]] bool may_move() const;
  [[nodiscard]] bool keep_old() const;  // MREMAP_DONTUNMAP
};

// pieces: all of one mapping in [old_start, + min(old_size, new_size)). The last one grows to new_size; what is longer than that
// goes, and so does what is at the target. ENOMEM: over a limit, or the host has refused.
Result<VirtAddr> move_pieces(const Call& call, const Move& m, const Pieces& pieces, VirtAddr target);
// The mapping's end is free for new_size.
Result<VirtAddr> grow_in_place(const Call& call, const Move& m, const vm::Vma& last);
// v, which is shared, once more, from m.old_start on. EFAULT: it was at the target.
Result<VirtAddr> map_again(const Call& call, const Move& m, vm::Vma v, VirtAddr target);

// RLIMIT_AS and RLIMIT_DATA allow `more` of v: ENOMEM.
Result<void> check_expansion(const Space& space, const vm::Vma& v, Bytes more);

}  // namespace pagefold::kernel
