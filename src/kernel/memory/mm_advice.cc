// madvise: what is said about pages. Errnos as in madvise(2) and mm/madvise.c.

#include <sys/mman.h>

#include <vector>

#include "frame/shared_object.h"
#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/files/own_files.h"
#include "kernel/memory/checked_range.h"
#include "kernel/memory/host_advice.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif

namespace pagefold::kernel {
namespace {

// Private pages are forgotten: the next touch sees zeros, or the file again.
Result<void> drop_private(Space& space, const vm::Vma& v, VirtRange part) {
  if (!v.layered) return {};
  const std::lock_guard family(space.layer->mutex());
  return space.layer->discard(v.layer_page(part.start), v.layer_page(part.start) + part.pages());
}

// MADV_REMOVE: the pages of shared memory are freed for everybody.
Result<void> remove_shared(const vm::Vma& v, VirtRange part) {
  if (!v.object) return fail(EINVAL);
  auto* shared = dynamic_cast<frame::SharedObject*>(v.object.get());
  if (!v.shared || shared == nullptr) return fail(EACCES);
  const std::lock_guard lock(shared->mutex);
  const Bytes offset = v.object_offset(part.start);
  const PageIndex gone = shared->resident.clear_range(page_of(offset), page_of(offset) + part.pages());
  stats().frames(-static_cast<std::int64_t>(bytes_of(gone)));
  return shared->frames().release(offset, part.size());
}

using Change = void (*)(vm::Vma&);

Change flag_change(int advice) {
  switch (advice) {
    case MADV_NORMAL: return [](vm::Vma& v) { v.advice &= static_cast<vm::Advice>(~(vm::kRandom | vm::kSequential)); };
    case MADV_RANDOM: return [](vm::Vma& v) { v.advice = static_cast<vm::Advice>((v.advice & ~vm::kSequential) | vm::kRandom); };
    case MADV_SEQUENTIAL: return [](vm::Vma& v) { v.advice = static_cast<vm::Advice>((v.advice & ~vm::kRandom) | vm::kSequential); };
    case MADV_HUGEPAGE: return [](vm::Vma& v) { v.advice = static_cast<vm::Advice>((v.advice & ~vm::kNotHuge) | vm::kHuge); };
    case MADV_NOHUGEPAGE: return [](vm::Vma& v) { v.advice = static_cast<vm::Advice>((v.advice & ~vm::kHuge) | vm::kNotHuge); };
    case MADV_DONTFORK: return [](vm::Vma& v) { v.dont_fork = true; };
    case MADV_DOFORK: return [](vm::Vma& v) { v.dont_fork = false; };
    case MADV_WIPEONFORK: return [](vm::Vma& v) { v.wipe_on_fork = true; };
    case MADV_KEEPONFORK: return [](vm::Vma& v) { v.wipe_on_fork = false; };
    case MADV_DONTDUMP: return [](vm::Vma& v) { v.dont_dump = true; };
    case MADV_DODUMP: return [](vm::Vma& v) { v.dont_dump = false; };
    default: return nullptr;
  }
}

bool known(int advice) {
  switch (advice) {
    case MADV_WILLNEED: case MADV_DONTNEED: case MADV_FREE: case MADV_REMOVE: case MADV_COLD: case MADV_PAGEOUT:
    case MADV_MERGEABLE: case MADV_UNMERGEABLE: return true;
    default: return flag_change(advice) != nullptr;
  }
}

// Not for locked memory, which the model alone knows of (mm/madvise.c).
bool needs_unlocked(int advice) {
  return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE || advice == MADV_COLD || advice == MADV_PAGEOUT;
}

Result<void> advise_one(Space& space, const vm::Vma& v, VirtRange part, int advice) {
  switch (advice) {
    case MADV_DONTNEED: return drop_private(space, v, part);
    case MADV_FREE: return v.anonymous() ? Result<void>{} : fail(EINVAL);
    case MADV_REMOVE: return remove_shared(v, part);
    case MADV_WIPEONFORK: return v.anonymous() ? Result<void>{} : fail(EINVAL);
    default: return {};
  }
}

Result<void> advise(const Call& call, VirtRange r, int advice) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  std::vector<vm::Vma> pieces;
  space.map.visit(r, [&](const vm::Vma& v) { pieces.push_back(vm::clip(v, r)); });
  VirtAddr at = r.start;
  bool hole = false;
  for (const vm::Vma& v : pieces) {
    hole = hole || v.range.start > at;
    at = v.range.end;
    if (advice == MADV_REMOVE && tracked(v) && !v.locked) {  // changes a file: no lock of a space may be held
      lock.unlock();
      PAGEFOLD_CHECK(space.own_files->punch(static_cast<cache::FullFile&>(*v.object), page_of(v.offset), page_of(v.offset) + v.range.pages()));
      lock.lock();
      continue;
    }
    if (v.locked && needs_unlocked(advice)) return fail(EINVAL);
    PAGEFOLD_CHECK(v.host() ? advise_host(call, v.range, advice) : advise_one(space, v, v.range, advice));
  }
  if (const Change change = flag_change(advice)) space.map.modify(r, change);
  account(space);
  return hole || at < r.end ? Result<void>(fail(ENOMEM)) : Result<void>{};
}

// Mapping by mapping: the host fills what it maps itself.
Result<void> populate_advice(const Call& call, VirtRange r, int advice) {
  Space& space = call.space();
  for (VirtAddr at = r.start; at < r.end;) {
    VirtRange part;
    {
      const std::lock_guard lock(space.mutex);
      const vm::Vma* v = space.map.find(at);
      if (v == nullptr) return fail(ENOMEM);
      part = v->range.intersect({at, r.end});
      if (v->host()) PAGEFOLD_CHECK(advise_host(call, part, advice));
      at = part.end;
      if (v->host()) continue;
    }
    PAGEFOLD_CHECK(populate(call.supervisor, space, part, advice == MADV_POPULATE_WRITE ? Purpose::Write : Purpose::Read));
  }
  return {};
}

}  // namespace

void on_madvise(const Call& call) {
  const int advice = static_cast<int>(call.argument(2));
  const bool fills = advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE;
  if (!fills && !known(advice)) return call.fail(EINVAL);
  const auto checked = check(call.argument(0), call.argument(1), EINVAL, Wrapped::Refused);
  if (checked.error != 0) return call.fail(checked.error);
  if (checked.empty) return call.reply(0);
  if (fills) return call.finish(populate_advice(call, checked.range, advice));
  call.finish(advise(call, checked.range, advice));
}

}  // namespace pagefold::kernel
