// mremap: a mapping grows, shrinks or moves. Pages are never copied: a moved mapping keeps its range of the layer (which is
// then "lent": no new mapping may use it), and only the host's mapping of it changes place.
//
// Rules and errnos: mm/mremap.c; mremap(2).

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

#include "cache/file_object.h"
#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace pagefold::kernel {
namespace {

struct Move {
  VirtAddr old_start;
  Bytes old_size, new_size;
  std::uint64_t flags;
  VirtAddr target;

  [[nodiscard]] VirtRange old_range() const { return {old_start, old_start + old_size}; }
  [[nodiscard]] bool fixed() const { return (flags & MREMAP_FIXED) != 0; }
  [[nodiscard]] bool may_move() const { return (flags & MREMAP_MAYMOVE) != 0; }
  [[nodiscard]] bool keep_old() const { return (flags & MREMAP_DONTUNMAP) != 0; }
};

Result<void> validate(const Move& m) {
  constexpr std::uint64_t kKnown = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
  if ((m.flags & ~kKnown) != 0 || (m.fixed() && !m.may_move()) || !page_aligned(m.old_start) || m.new_size == 0) return fail(EINVAL);
  if (m.keep_old() && (!m.may_move() || m.old_size != m.new_size)) return fail(EINVAL);
  if (m.new_size > kUserTop) return fail(EINVAL);  // without MREMAP_FIXED since Linux 6.17, ENOMEM before
  if (m.fixed()) {
    if (!page_aligned(m.target) || m.target > kUserTop - m.new_size) return fail(EINVAL);
    const VirtRange there{m.target, m.target + m.new_size};
    if (there.overlaps(m.old_range()) || reserved(there)) return fail(EINVAL);
  }
  return {};
}

// The program sees one mapping where pieces differ only in their part of the layer.
bool one_mapping(const vm::Vma& a, const vm::Vma& b) {
  if (a.host() && b.host()) return a.range.end == b.range.start;  // the host knows
  return a.range.end == b.range.start && a.prot == b.prot && a.may == b.may && a.shared == b.shared && a.object == b.object &&
         a.layered == b.layered && a.tag == b.tag && a.locked == b.locked && a.opened_as == b.opened_as && (!a.object || a.object_offset(b.range.start) == b.offset);
}

// The pieces of r, which must be one mapping. EFAULT otherwise.
Result<std::vector<vm::Vma>> pieces_of(const Space& space, VirtRange r) {
  std::vector<vm::Vma> pieces;
  bool one = true;
  space.map.visit(r, [&](const vm::Vma& v) {
    if (!pieces.empty() && !one_mapping(pieces.back(), v)) one = false;
    pieces.push_back(v);
  });
  if (!one || pieces.empty() || pieces.front().range.start > r.start || pieces.back().range.end < r.end) return fail(EFAULT);
  for (vm::Vma& v : pieces) v = vm::clip(v, r);
  return pieces;
}

Result<void> check_growth(const Space& space, const vm::Vma& v, Bytes more) {
  if (v.locked && !may_lock(space, locked_bytes(space, {0, kUserTop}) + more)) return fail(EAGAIN);
  if (exceeds_limit(space, RLIMIT_AS, space.map.mapped() + more)) return fail(ENOMEM);
  if (is_data(v) && exceeds_data_limit(space, more)) return fail(ENOMEM);
  return {};
}

void add_piece(Space& space, vm::Vma v, VirtRange r) {
  const Bytes skip = r.start - v.range.start;
  if (v.object) v.offset += skip;
  v.range = r;
  v.layer = space.choose_layer(r);
  v.around.expect(page_of(r.start));
  space.map.insert(std::move(v));
}

// A host-mapped range: the host moves or resizes it, or refuses, and the model follows. pieces: what is there, clipped; the last
// one grows.
Result<VirtAddr> move_host(const Call& call, const std::vector<vm::Vma>& pieces, const Move& m, VirtAddr target) {
  Space& space = call.space();
  const std::uint64_t flags = target == m.old_start ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED | (m.flags & MREMAP_DONTUNMAP);
  // Where the model has nothing, the host may have the background, or what it has not let go of yet.
  if (target == m.old_start && m.new_size > m.old_size) {
    const VirtRange more{m.old_start + m.old_size, m.old_start + m.new_size};
    PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(), {SYS_munmap, {more.start, more.size(), 0, 0, 0, 0}, 0, 0}));
    space.host.erase(more);
  }
  PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(),
                             {SYS_mremap, {m.old_start, m.old_size, m.new_size, flags, target, 0}, 0, 0}));
  if (target != m.old_start) PAGEFOLD_CHECK(unmap_range(space, {target, target + m.new_size}));
  if (!m.keep_old()) {
    space.map.remove(m.old_range());
    space.host.erase(m.old_range());
  }
  for (const vm::Vma& piece : pieces) {
    vm::Vma moved = piece;
    const Bytes skip = piece.range.start - m.old_start;
    const bool last = &piece == &pieces.back();
    moved.range = {target + skip, last ? target + m.new_size : target + skip + piece.range.size()};
    moved.layer = moved.range.start;
    space.host.set(wanted(moved));
    space.map.insert(std::move(moved));
  }
  PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), m.old_range(), Urgency::Lazy));
  return target;
}

Result<VirtAddr> move(const Call& call, const Move& m, std::vector<vm::Vma> pieces) {
  Space& space = call.space();
  VirtAddr target = m.target;
  if (!m.fixed()) {
    const auto gap = space.map.find_gap(m.new_size);
    if (!gap) return fail(ENOMEM);
    target = *gap;
  }
  if (pieces.front().host()) return move_host(call, pieces, m, target);
  const VirtRange there{target, target + m.new_size};
  PAGEFOLD_CHECK(unmap_range(space, there));
  const Bytes kept = std::min(m.old_size, m.new_size);
  if (m.new_size < m.old_size) PAGEFOLD_CHECK(unmap_range(space, {m.old_start + kept, m.old_start + m.old_size}));
  space.map.remove({m.old_start, m.old_start + kept});
  for (const vm::Vma& piece : pieces) {
    const VirtRange part = piece.range.intersect({m.old_start, m.old_start + kept});
    if (part.empty()) continue;
    vm::Vma moved = vm::clip(piece, part);
    moved.range = {target + (part.start - m.old_start), target + (part.end - m.old_start)};
    if (moved.layered)
      space.lend_layer(moved);
    else
      moved.layer = space.choose_layer(moved.range);
    space.map.insert(std::move(moved));
  }
  if (m.new_size > kept) add_piece(space, [&] {
    vm::Vma tail = pieces.back();
    tail.range.start = target + kept - tail.range.size();
    return tail;
  }(), {target + kept, there.end});
  if (m.keep_old()) {
    for (const vm::Vma& piece : pieces) add_piece(space, piece, piece.range);
  }
  PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), there, Urgency::Eager));
  PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), m.old_range(), Urgency::Lazy));
  return target;
}

// old_size 0 on shared memory: a second mapping of the same pages.
Result<VirtAddr> duplicate(const Call& call, const Move& m, vm::Vma v) {
  Space& space = call.space();
  if (!v.shared) return fail(EINVAL);
  if (!m.may_move()) return fail(ENOMEM);
  const auto gap = m.fixed() ? std::optional(m.target) : space.map.find_gap(m.new_size);
  if (!gap) return fail(ENOMEM);
  const VirtRange there{*gap, *gap + m.new_size};
  // What is there goes first, and may be what was to be mapped again.
  PAGEFOLD_CHECK(unmap_range(space, there));
  Result<void> made = space.map.find(m.old_start) != nullptr ? Result<void>{} : fail(EFAULT);
  if (made && v.host()) {
    const stub::Command mremap{SYS_mremap, {m.old_start, 0, m.new_size, MREMAP_MAYMOVE | MREMAP_FIXED, there.start, 0}, 0, 0};
    if (const auto done = call_in_guest(space, call.supervisor.listener(), mremap); !done) made = tl::unexpected(done.error());
    if (!made) space.host.erase(there);
  }
  if (!made) {
    PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), there, Urgency::Lazy));
    return tl::unexpected(made.error());
  }
  v.offset = v.object_offset(m.old_start);
  v.range = there;
  v.layer = there.start;
  if (v.host()) space.host.set(wanted(v));
  space.map.insert(std::move(v));
  PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), there, Urgency::Lazy));
  return there.start;
}

Result<VirtAddr> remap(const Call& call, Move m) {
  PAGEFOLD_CHECK(validate(m));
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  const vm::Vma* first = space.map.find(m.old_start);
  if (first == nullptr) return fail(EFAULT);
  if (m.old_size == 0) return duplicate(call, m, *first);
  if (!m.fixed() && !m.keep_old() && m.new_size <= m.old_size) {
    if (m.new_size < m.old_size) {
      const VirtRange tail{m.old_start + m.new_size, m.old_start + m.old_size};
      PAGEFOLD_CHECK(unmap_range(space, tail));
      PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), tail, Urgency::Lazy));
    }
    return m.old_start;
  }
  if (m.fixed() && !m.keep_old() && m.new_size < m.old_size) {  // mm/mremap.c, shrink_vma: only what is kept must be one mapping
    const VirtRange tail{m.old_start + m.new_size, m.old_start + m.old_size};
    PAGEFOLD_CHECK(unmap_range(space, tail));
    PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), tail, Urgency::Lazy));
    m.old_size = m.new_size;
  }
  auto pieces = PAGEFOLD_TRY(pieces_of(space, m.old_range()));
  const bool grows = m.new_size > m.old_size;
  if (grows) PAGEFOLD_CHECK(check_growth(space, pieces.back(), m.new_size - m.old_size));
  if (grows && !m.fixed()) {
    const VirtRange more{m.old_start + m.old_size, m.old_start + m.new_size};
    if (more.end <= kUserTop && space.map.is_free(more) && !reserved(more) && more.start == space.map.find(more.start - 1)->range.end) {
      if (pieces.back().host()) return move_host(call, pieces, m, m.old_start);
      add_piece(space, pieces.back(), more);
      PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), more, Urgency::Lazy));
      return m.old_start;
    }
  }
  if (!m.may_move()) return fail(ENOMEM);
  return move(call, m, std::move(pieces));
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
  if (moved && m.new_size > m.old_size && m.old_size != 0) fill_if_locked(call, {*moved + m.old_size, *moved + m.new_size});
  moved ? call.reply_address(*moved) : call.fail(moved.error().code);
}

}  // namespace pagefold::kernel
