#include "kernel/process/snapshot.h"

#include <algorithm>

#include "kernel/memory/mm_limits.h"
#include "kernel/pressure/pressure.h"

namespace pagefold::kernel {
namespace {

// Pages that the kernel stores to when a thread that is ending is gone cannot be guarded (on_thread_exit): the child gets copies
// at once. Family lock held.
Result<vm::PageSet> give_kept_pages(Space& parent) {
  vm::PageSet kept;
  vm::Layer& layer = *parent.layer;
  for (const Space::Exiting& thread : parent.exiting) {
    const vm::Vma* v = parent.map.find(thread.kept.start);
    if (v == nullptr || !v->layered) continue;
    const PageIndex first = v->layer_page(thread.kept.start), last = first + thread.kept.intersect(v->range).pages();
    for (PageIndex page = layer.present().next(first, last); page < last; page = layer.present().next(page + 1, last)) {
      if (layer.guarded().test(page)) continue;
      PAGEFOLD_TRY(layer.push(page));
      kept.set(page);
    }
  }
  return kept;
}

// Stores to pages that the child inherits must be seen from now on.
Result<void> guard_pages(Space& space) {
  vm::Layer& layer = *space.layer;
  const vm::PageSet kept = PAGEFOLD_TRY(give_kept_pages(space));
  Result<void> done;
  space.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
    if (piece.kind != pmap::HostPiece::Kind::Layer) return;
    const PageIndex first = page_of(piece.offset), last = first + piece.range.pages();
    for (PageIndex page = layer.present().next(first, last); page < last && done; page = layer.present().next(page, last)) {
      if (layer.guarded().test(page) || layer.given().test(page) || kept.test(page)) {
        ++page;
        continue;
      }
      const PageIndex end = std::min({layer.present().next_gap(page, last), layer.guarded().next(page, last),
                                      layer.given().next(page, last), kept.next(page, last)});
      const VirtAddr start = piece.range.start + bytes_of(page - first);
      done = space.uffd.write_protect({start, start + bytes_of(end - page)});
      layer.guard(page, end);
      page = end;
    }
  });
  return done;
}

// Pages of which the child got copies at once are nobody's but the parent's now.
Result<void> release_given(Space& space) {
  vm::Layer& layer = *space.layer;
  Result<void> done;
  space.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
    if (piece.kind != pmap::HostPiece::Kind::Layer) return;
    const PageIndex first = page_of(piece.offset);
    layer.given().for_each_run(first, first + piece.range.pages(), [&](PageIndex from, PageIndex to) {
      const VirtAddr start = piece.range.start + bytes_of(from - first);
      layer.frames().stay(from, to);
      if (done) done = space.uffd.allow_writes({start, start + bytes_of(to - from)});
    });
  });
  layer.given().for_each_run(0, ~PageIndex{0}, [&](PageIndex from, PageIndex to) {
    for (PageIndex page = from; page < to; ++page) layer.unguard(page);
  });
  return done;
}

// The child's layer: an heir of the parent's, whose pages are guarded.
Result<void> inherit_pages(Supervisor& supervisor, Space& parent, const SpaceRef& child, vm::Layer::Hot hot, bool alone) {
  std::vector<std::shared_ptr<vm::Layer>> dropped;  // outlives the lock
  const std::lock_guard family(parent.layer->mutex());
  PAGEFOLD_CHECK(parent.layer->drop_mirrors(0, page_of(~VirtAddr{0})));
  if (!alone) {
    parent.layer->forget_given();
    PAGEFOLD_CHECK(guard_pages(parent));
  }
  child->layer = vm::Layer::fork(parent.layer, child->frames(), hot, dropped);
  if (Pressure* limit = pressure()) limit->adopt(supervisor, child);
  PAGEFOLD_CHECK(guard_pages(parent));
  return alone ? Result<void>{} : release_given(parent);
}

Result<void> inherit_map(const Space& parent, Space& child) {
  child.map.set_placement(parent.map.placement());
  child.host = parent.host;
  child.background = parent.background;
  child.lent = parent.lent;
  child.next_spare_layer = parent.next_spare_layer;
  child.brk_start = parent.brk_start;
  child.brk = parent.brk;
  child.stack_top = parent.stack_top;
  const std::lock_guard family(child.layer->mutex());
  for (const auto& [start, original] : parent.map.all()) {
    vm::Vma v = original;
    if (v.layered && (v.dont_fork || v.wipe_on_fork))
      PAGEFOLD_CHECK(child.layer->discard(page_of(v.layer), page_of(v.layer + v.range.size())));
    if (v.dont_fork) {
      child.reclaim_layer(v);
      continue;
    }
    v.set_locked(false);
    child.map.insert(std::move(v));
  }
  return {};
}

}  // namespace

Result<SpaceRef> snapshot(Supervisor& supervisor, Space& parent, vm::Layer::Hot hot, bool alone) {
  SpaceRef child = PAGEFOLD_TRY(Space::create(0));
  PAGEFOLD_CHECK(inherit_pages(supervisor, parent, child, hot, alone));
  child->program = parent.program;
  child->limits[0] = memory_limits(parent, parent.pid);  // its process id is not known yet
  child->real_handlers = parent.real_handlers;
  for (std::size_t signal = 0; signal < stub::kSignals; ++signal) child->area->handlers[signal] = parent.real_handlers[signal];
  PAGEFOLD_CHECK(inherit_map(parent, *child));
  return child;
}

}  // namespace pagefold::kernel
