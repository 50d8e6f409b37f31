#include "kernel/memory/move_pieces.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel/calls.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/sync/host_sync.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace pagefold::kernel {
namespace {

// The filter looks at the target of every mremap, also of those that do not move.
Result<void> host_mremap(const Call& call, VirtRange from, Bytes size, std::uint64_t flags, VirtAddr target) {
  const stub::Command mremap{SYS_mremap, {from.start, from.size(), size, flags, target, 0}, 0, 0};
  PAGEFOLD_TRY(call_in_guest(call.space(), call.supervisor.listener(), mremap));
  return {};
}

// Where the piece goes; the last one with what the mapping grows by.
VirtRange place_of(const Move& m, const Pieces& pieces, const vm::Vma& piece, VirtAddr target) {
  const VirtAddr start = target + (piece.range.start - m.old_start);
  return {start, &piece == &pieces.back() ? target + m.new_size : start + piece.range.size()};
}

// A piece of the model, at a range where nothing is, with new pages of the layer.
void add_piece(Space& space, vm::Vma v, VirtRange r) {
  const Bytes skip = r.start - v.range.start;
  if (v.object) v.offset += skip;
  v.range = r;
  v.layer = space.choose_layer(r);
  v.around.expect(page_of(r.start));
  space.map.insert(std::move(v));
}

void insert_moved(Space& space, const vm::Vma& piece, VirtRange there) {
  vm::Vma moved = piece;
  moved.range = there;
  if (piece.host()) {
    moved.layer = there.start;
    space.host.set(wanted(moved));
    space.map.insert(std::move(moved));
    return;
  }
  moved.range.end = there.start + piece.range.size();
  if (moved.layered)
    space.lend_layer(moved);
  else
    moved.layer = space.choose_layer(moved.range);
  const VirtRange more{moved.range.end, there.end};
  vm::Vma tail = moved;
  space.map.insert(std::move(moved));
  if (!more.empty()) add_piece(space, std::move(tail), more);
}

}  // namespace

bool Move::fixed() const { return (flags & MREMAP_FIXED) != 0; }
bool Move::may_move() const { return (flags & MREMAP_MAYMOVE) != 0; }
bool Move::keep_old() const { return (flags & MREMAP_DONTUNMAP) != 0; }

Result<void> check_expansion(const Space& space, const vm::Vma& v, Bytes more) {
  if (exceeds_limit(space, RLIMIT_AS, space.map.mapped() + more)) return fail(ENOMEM);
  if (is_data(v) && exceeds_data_limit(space, more)) return fail(ENOMEM);
  return {};
}

Result<VirtAddr> move_pieces(const Call& call, const Move& m, const Pieces& pieces, VirtAddr target) {
  Space& space = call.space();
  const Listener& listener = call.supervisor.listener();
  const VirtRange there{target, target + m.new_size};
  // The host may refuse, so it goes first. It knows better than the model what is one mapping, so it is told what was asked.
  const std::uint64_t flags = MREMAP_MAYMOVE | MREMAP_FIXED | (m.flags & MREMAP_DONTUNMAP);
  const bool shrinks = m.new_size < m.old_size, host_shrinks = shrinks && pieces.size() == 1 && pieces.front().host();
  for (const vm::Vma& piece : pieces) {
    const VirtRange place = place_of(m, pieces, piece, target);
    if (piece.host()) PAGEFOLD_CHECK(host_mremap(call, host_shrinks ? m.old_range() : piece.range, place.size(), flags, place.start));
  }
  if (host_shrinks) space.host.erase({m.old_start + m.new_size, m.old_range().end});
  PAGEFOLD_CHECK(unmap_range(space, there));
  if (m.keep_old()) {  // the old mapping, all of it, is locked no more
    space.map.modify(whole_mapping(space, m.old_start), [](vm::Vma& v) { v.set_locked(false); });
  } else {
    if (shrinks) PAGEFOLD_CHECK(unmap_range(space, {m.old_start + m.new_size, m.old_range().end}));
    for (const vm::Vma& piece : pieces)
      if (piece.host()) space.host.erase(piece.range);
  }
  const bool kept = m.keep_old();
  for (const vm::Vma& piece : pieces)
    if (!kept || !piece.host()) space.map.remove(piece.range);  // without its pages
  for (const vm::Vma& piece : pieces) insert_moved(space, piece, place_of(m, pieces, piece, target));
  for (vm::Vma piece : pieces) {
    if (!kept || piece.host()) continue;
    piece.set_locked(false);
    const VirtRange range = piece.range;
    add_piece(space, std::move(piece), range);
  }
  PAGEFOLD_CHECK(synchronise(space, listener, there, Urgency::Eager));
  PAGEFOLD_CHECK(synchronise(space, listener, m.old_range(), Urgency::Lazy));
  return target;
}

Result<VirtAddr> grow_in_place(const Call& call, const Move& m, const vm::Vma& last) {
  Space& space = call.space();
  const VirtRange more{m.old_start + m.old_size, m.old_start + m.new_size};
  if (last.host()) {
    // Where the model has nothing, the host may have the background, or what it has not let go of yet.
    PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(), {SYS_munmap, {more.start, more.size(), 0, 0, 0, 0}, 0, 0}));
    space.host.erase(more);
    if (const auto grown = host_mremap(call, last.range, last.range.size() + more.size(), 0, last.range.start); !grown) {
      PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), more, Urgency::Lazy));
      return tl::unexpected(grown.error());
    }
  }
  add_piece(space, last, more);
  if (last.host()) space.host.set(wanted(*space.map.find(more.start)));
  PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), more, Urgency::Lazy));
  return m.old_start;
}

Result<VirtAddr> map_again(const Call& call, const Move& m, vm::Vma v, VirtAddr target) {
  Space& space = call.space();
  const VirtRange there{target, target + m.new_size};
  // What is there goes first, and may be what was to be mapped again.
  PAGEFOLD_CHECK(unmap_range(space, there));
  Result<void> made = space.map.find(m.old_start) != nullptr ? Result<void>{} : fail(EFAULT);
  if (made && v.host()) {
    made = host_mremap(call, {m.old_start, m.old_start}, m.new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    if (!made) space.host.erase(there);
  }
  if (made) {
    v.offset = v.object_offset(m.old_start);
    v.range = there;
    v.layer = there.start;
    if (v.host()) space.host.set(wanted(v));
    space.map.insert(std::move(v));
  }
  PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), there, Urgency::Lazy));
  if (!made) return tl::unexpected(made.error());
  return target;
}

}  // namespace pagefold::kernel
