// mremap: a mapping grows, shrinks or moves. Here is what may be asked, and which of it is to be done; move_pieces.h does it.
//
// Rules and errnos: mm/mremap.c; mremap(2).

#include <sys/mman.h>

#include <algorithm>
#include <optional>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/files/own_files.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/memory/move_pieces.h"
#include "kernel/sync/host_sync.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace pagefold::kernel {
namespace {

Result<void> validate(const Move& m) {
  constexpr std::uint64_t kKnown = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
  if ((m.flags & ~kKnown) != 0 || (m.fixed() && !m.may_move()) || !page_aligned(m.old_start) || m.new_size == 0) return fail(EINVAL);
  if (m.keep_old() && (!m.may_move() || m.old_size != m.new_size)) return fail(EINVAL);
  if (m.new_size > kUserTop) return fail(EINVAL);  // without MREMAP_FIXED since Linux 6.17, ENOMEM before
  if (m.fixed() || m.keep_old()) {
    if (!page_aligned(m.target) || m.target > kUserTop - m.new_size) return fail(EINVAL);
    const VirtRange there{m.target, m.target + m.new_size};
    if (there.overlaps(m.old_range())) return fail(EINVAL);
    if (m.fixed() && reserved(there)) return fail(EINVAL);
  }
  return {};
}

// Where it goes. MREMAP_DONTUNMAP alone takes the target as a hint.
Result<VirtAddr> target_of(const Space& space, const Move& m) {
  if (m.fixed()) return m.target;
  const VirtRange hint{m.target, m.target + m.new_size};
  if (m.keep_old() && m.target != 0 && !reserved(hint) && space.map.is_free_with_gap(hint)) return m.target;
  if (const auto gap = space.map.find_gap(m.new_size)) return *gap;
  return fail(ENOMEM);
}

// Linux looks whether v may grow by so much before it looks for room.
Result<void> check_growth(const Space& space, const vm::Vma& v, Bytes more) {
  if (v.locked && !may_lock(space, locked_bytes(space, {0, kUserTop}) + more)) return fail(EAGAIN);
  return check_expansion(space, v, more);
}

Result<void> unmap_tail(const Call& call, const Move& m) {
  const VirtRange tail{m.old_start + m.new_size, m.old_range().end};
  if (tail.empty()) return {};
  PAGEFOLD_CHECK(unmap_range(call.space(), tail));
  return synchronise(call.space(), call.supervisor.listener(), tail, Urgency::Lazy);
}

// One mapping that lies in the range of m, to its place in the target.
Result<void> move_mapping(const Call& call, const Move& m, const Pieces& pieces) {
  const VirtAddr start = pieces.front().range.start;
  const Bytes size = pieces.back().range.end - start;
  if (m.keep_old()) PAGEFOLD_CHECK(check_expansion(call.space(), pieces.front(), size));
  const VirtAddr target = m.target + (start - m.old_start);
  PAGEFOLD_TRY(move_pieces(call, {start, size, size, m.flags, target}, pieces, target));
  return {};
}

// To a given place, in the same length: all mappings of the range go, one after the other, and holes stay holes.
Result<VirtAddr> move_all(const Call& call, const Move& m) {
  const auto mappings = mappings_of(call.space(), m.old_range());
  if (mappings.empty() || mappings.front().front().range.start > m.old_start) return fail(EFAULT);
  const bool several = mappings.front().back().range.end < m.old_range().end;
  for (const Pieces& pieces : mappings) {
    if (several && !moves_with_others(pieces.front())) return fail(EFAULT);
    PAGEFOLD_CHECK(move_mapping(call, m, pieces));
  }
  return m.target;
}

// The pieces of what stays of the range, which must be one mapping: EFAULT otherwise.
Result<Pieces> pieces_of(const Space& space, const Move& m) {
  const VirtRange kept{m.old_start, m.old_start + std::min(m.old_size, m.new_size)};
  auto mappings = mappings_of(space, kept);
  if (mappings.size() != 1 || mappings[0].back().range.end < kept.end) return fail(EFAULT);
  return std::move(mappings[0]);
}

bool has_room_behind(const Space& space, const Move& m) {
  const VirtRange more{m.old_start + m.old_size, m.old_start + m.new_size};
  return more.end <= kUserTop && !reserved(more) && space.map.is_free(more);
}

Result<VirtAddr> remap(const Call& call, const Move& m) {
  PAGEFOLD_CHECK(validate(m));
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (m.fixed() && m.old_size == m.new_size) return move_all(call, m);
  const vm::Vma* const first = space.map.find(m.old_start);
  if (first == nullptr) return fail(EFAULT);
  const bool elsewhere = m.fixed() || m.keep_old();
  if (!elsewhere && m.new_size <= m.old_size) {
    PAGEFOLD_CHECK(unmap_tail(call, m));
    return m.old_start;
  }
  if (m.old_size == 0 && !first->shared) return fail(EINVAL);
  const Bytes more = m.new_size - std::min(m.old_size, m.new_size);
  if (m.old_size == 0) {  // a second mapping of the same pages
    const vm::Vma v = *first;
    PAGEFOLD_CHECK(check_growth(space, v, more));
    if (!m.may_move()) return fail(ENOMEM);
    return map_again(call, m, v, PAGEFOLD_TRY(target_of(space, m)));
  }
  const Pieces pieces = PAGEFOLD_TRY(pieces_of(space, m));
  if (more != 0) PAGEFOLD_CHECK(check_growth(space, pieces.back(), more));
  if (m.keep_old()) PAGEFOLD_CHECK(check_expansion(space, pieces.back(), m.new_size));
  if (!elsewhere && has_room_behind(space, m)) return grow_in_place(call, m, pieces.back());
  if (!m.may_move()) return fail(ENOMEM);
  return move_pieces(call, m, pieces, PAGEFOLD_TRY(target_of(space, m)));
}

// What a locked mapping has grown by is locked, too.
void fill_if_locked(const Call& call, VirtRange more) {
  Space& space = call.space();
  {
    const std::lock_guard lock(space.mutex);
    const vm::Vma* v = space.map.find(more.start);
    if (v == nullptr || !v->locked || space.lock_on_fault) return;
  }
  (void)populate(call.supervisor, space, more, Purpose::Lock);
}

}  // namespace

void on_mremap(const Call& call) {
  const Move m{call.argument(0), page_up(call.argument(1)), page_up(call.argument(2)), call.argument(3), call.argument(4)};
  const auto moved = remap(call, m);
  if (OwnFiles* files = call.supervisor.own_files()) files->settle();
  if (moved && m.new_size > m.old_size) fill_if_locked(call, {*moved + m.old_size, *moved + m.new_size});
  moved ? call.reply_address(*moved) : call.fail(moved.error().code);
}

}  // namespace pagefold::kernel
