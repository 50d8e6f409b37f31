// Pages that a program wants before it touches them. Each step looks at one address: what needs nothing is skipped, what can be
// filled is filled as by a fault, in large steps, and the first page that cannot be had ends it.

#include <algorithm>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "kernel/fault/fault.h"

namespace pagefold::kernel {
namespace {

// What populate() finds at an address.
struct Spot {
  Result<void> refusal;
  VirtAddr skip_to = 0;  // pages up to here need nothing; 0: this one does
  bool write = false, guarded = false;
};

// Pages that have no frame because they were evicted, of the layer or of shared memory.
void look_for_evicted(const Space& space, const vm::Vma& v, VirtAddr at, Spot& spot) {
  const PageIndex pages = page_of(v.range.end - at);
  if (auto* shared = dynamic_cast<frame::SharedObject*>(v.object.get())) {
    const std::lock_guard lock(shared->mutex);
    const PageIndex page = page_of(v.object_offset(at));
    spot.skip_to = at + bytes_of(shared->frames().next_out(page, page + pages) - page);
  } else if (v.layered) {
    const std::lock_guard family(space.layer->mutex());
    const PageIndex page = v.layer_page(at);
    spot.skip_to = at + bytes_of(space.layer->frames().next_out(page, page + pages) - page);
  } else {
    spot.skip_to = v.range.end;
  }
  if (spot.skip_to == at) spot.skip_to = 0;
}

// Pages of the layer: present ones are skipped, unless they are to be written and still shared with a child.
void look_at_layer(const Space& space, const vm::Vma& v, VirtAddr at, Spot& spot) {
  const std::lock_guard family(space.layer->mutex());
  const vm::Layer& layer = *space.layer;
  const PageIndex page = v.layer_page(at), last = page + page_of(v.range.end - at);
  spot.guarded = spot.write && (layer.guarded().test(page) || layer.mirrors().test(page));
  if (layer.present().test(page)) {
    const PageIndex gap = std::min(layer.present().next_gap(page, last), layer.frames().next_out(page, last));
    if (spot.guarded || gap == page) return;
    const PageIndex held = std::min(layer.guarded().next(page, last), layer.mirrors().next(page, last));
    spot.skip_to = at + bytes_of((spot.write ? std::min(gap, held) : gap) - page);
    return;
  }
  const auto* file = dynamic_cast<const cache::FileObject*>(v.object.get());
  if (file != nullptr && !layer.inherited().test(page) && page_of(v.object_offset(at)) >= file->pages()) spot.refusal = fail(EFAULT);
}

Spot look_at(Space& space, VirtAddr at, Purpose purpose) {
  const std::lock_guard lock(space.mutex);
  const vm::Vma* v = space.map.find(at);
  if (v == nullptr) return {fail(ENOMEM)};
  Spot spot;
  spot.write = purpose == Purpose::Write || (purpose == Purpose::Lock && v->writable() && !v->shared);
  if (purpose == Purpose::Restore) {
    look_for_evicted(space, *v, at, spot);
    return spot;
  }
  const bool unreadable = purpose == Purpose::Read && (v->prot & vm::kRead) == 0;
  if (v->prot == vm::kNone || unreadable || (spot.write && !v->writable())) return {fail(EINVAL)};
  if (v->host()) {
    spot.skip_to = v->range.end;
  } else if (!v->object || v->layered) {
    look_at_layer(space, *v, at, spot);
  } else if (const auto* file = dynamic_cast<const cache::FileObject*>(v->object.get())) {
    if (page_of(v->object_offset(at)) >= file->pages()) spot.refusal = fail(EFAULT);
  } else if (const auto* shared = dynamic_cast<const frame::SharedObject*>(v->object.get())) {
    if (page_of(v->object_offset(at)) >= shared->pages()) spot.refusal = fail(EFAULT);
  }
  return spot;
}

}  // namespace

Result<void> populate(Supervisor& supervisor, Space& space, VirtRange r, Purpose purpose) {
  for (VirtAddr at = r.start; at < r.end;) {
    Spot spot = look_at(space, at, purpose);
    PAGEFOLD_CHECK(std::move(spot.refusal));
    if (spot.skip_to != 0) {
      at = spot.skip_to;
      continue;
    }
    at = fill_asked(supervisor, space, {at, spot.write, spot.guarded, 0}, r);
  }
  return {};
}

}  // namespace pagefold::kernel
