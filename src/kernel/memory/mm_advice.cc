// madvise, msync, mincore, the mlock family: what is said about pages, and what is asked. Errnos as in the manual pages and
// mm/madvise.c, mm/msync.c, mm/mincore.c, mm/mlock.c.

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace pagefold::kernel {
namespace {

// Checks start and length as all these calls do; nullopt: the call ends with `error` (0 for an empty range).
struct Checked {
  VirtRange range;
  int error = 0;
  bool empty = false;
};

// A length that becomes 0 when rounded up to pages is refused by some calls, and an empty range for the others.
enum class Wrapped { Refused, Empty };

Checked check(VirtAddr start, Bytes raw_length, int overflow_error, Wrapped wrapped = Wrapped::Empty) {
  const Bytes length = page_up(raw_length);
  if (!page_aligned(start)) return {{}, EINVAL, false};
  if (wrapped == Wrapped::Refused && raw_length != 0 && length == 0) return {{}, overflow_error, false};
  if (start + length < start) return {{}, overflow_error, false};
  return {{start, start + length}, 0, length == 0};
}

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

// Advice for a range that holds host-mapped parts goes to the host for those, which only the host can carry out.
Result<void> advise_host(const Call& call, VirtRange part, int advice) {
  const stub::Command madvise{SYS_madvise, {part.start, part.size(), static_cast<std::uint64_t>(advice), 0, 0, 0}, 0, 0};
  PAGEFOLD_TRY(call_in_guest(call.space(), call.supervisor.listener(), madvise));
  return {};
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

// What the host maps itself is filled by the host, which knows where a file ends.
Result<void> fill_locked(const Call& call, VirtRange r) {
  Space& space = call.space();
  std::vector<vm::Vma> hosts;
  {
    const std::lock_guard lock(space.mutex);
    space.map.visit(r, [&](const vm::Vma& v) {
      if (v.host() && v.object) hosts.push_back(vm::clip(v, r));
    });
    for (const vm::Vma& v : hosts) {
      if (v.prot == vm::kNone) return fail(ENOMEM);
      const bool write = v.writable() && (!v.shared || (v.prot & vm::kRead) == 0);
      const auto filled = advise_host(call, v.range, write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
      if (!filled && filled.error().code != EINVAL) return fail(ENOMEM);  // EINVAL: a device
    }
  }
  return populate(call.supervisor, space, r, Purpose::Lock) ? Result<void>{} : fail(ENOMEM);
}

// mlock and munlock come as far as the first hole (mm/mlock.c, apply_vma_lock_flags). False: there is one.
bool set_locked(Space& space, VirtRange r, bool locked, bool on_fault = false) {
  VirtAddr end = r.start;
  while (const vm::Vma* v = end < r.end ? space.map.find(end) : nullptr) end = v->range.end;
  end = std::min(end, r.end);
  if (end > r.start) space.map.modify({r.start, end}, [&](vm::Vma& v) { v.set_locked(locked, on_fault); });
  return end == r.end;
}

Result<void> lock_range(const Call& call, VirtRange r, bool on_fault) {
  Space& space = call.space();
  bool covered = false;
  {
    std::unique_lock lock(space.mutex);
    space.wait_for_fork(lock);
    if (!may_lock(space, locked_bytes(space, {0, r.start}) + locked_bytes(space, {r.end, kUserTop}) + r.size())) return fail(ENOMEM);
    covered = set_locked(space, r, true, on_fault);
  }
  if (!covered) return fail(ENOMEM);
  return on_fault ? Result<void>{} : fill_locked(call, r);
}

void mlock(const Call& call, bool on_fault) {
  if (!may_lock_at_all(call.space())) return call.fail(EPERM);
  const VirtAddr start = page_down(call.argument(0));
  const auto checked = check(start, call.argument(1) + (call.argument(0) - start), EINVAL);
  if (checked.error != 0) return call.fail(checked.error);
  if (checked.empty) return call.reply(0);
  call.finish(lock_range(call, checked.range, on_fault));
}

// To the file, and the file to its disk.
Result<void> sync_mapping(const Call& call, const vm::Vma& v) {
  const auto file = std::static_pointer_cast<cache::FullFile>(v.object);
  Workers::about_to_wait();
  return call.supervisor.own_files()->synchronise(file, {.thread = static_cast<pid_t>(call.notification.pid)}, page_of(v.offset),
                                                  page_of(v.offset) + v.range.pages());
}

bool page_resident(Space& space, const vm::Vma& v, VirtAddr at) {
  if (!v.object || v.layered) {
    const std::lock_guard family(space.layer->mutex());
    const PageIndex page = v.layer_page(at);
    if (space.layer->present().test(page)) return !space.layer->frames().is_out(page);
    if (space.layer->inherited().test(page)) return true;
    if (!v.object) return false;
  }
  if (const auto* file = dynamic_cast<const cache::FileObject*>(v.object.get())) return file->cached(page_of(v.object_offset(at)));
  if (auto* shared = dynamic_cast<frame::SharedObject*>(v.object.get())) {
    const std::lock_guard lock(shared->mutex);
    const PageIndex page = page_of(v.object_offset(at));
    return shared->resident.test(page) && !shared->frames().is_out(page);
  }
  return true;
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

void on_msync(const Call& call) {
  const std::uint64_t flags = call.argument(2);
  const auto checked = check(call.argument(0), call.argument(1), ENOMEM);
  constexpr std::uint64_t kKnown = MS_ASYNC | MS_INVALIDATE | MS_SYNC;
  if ((flags & ~kKnown) != 0 || (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC)) return call.fail(EINVAL);
  if (checked.error != 0) return call.fail(checked.error);
  if (checked.empty) return call.reply(0);
  bool hole = false, locked = false, host = false;
  std::vector<vm::Vma> full;
  {
    const std::lock_guard lock(call.space().mutex);
    hole = !call.space().map.is_covered(checked.range);
    call.space().map.visit(checked.range, [&](const vm::Vma& v) {
      locked = locked || v.locked;
      host = host || (v.host() && v.shared);
      if (v.shared && dynamic_cast<const cache::FullFile*>(v.object.get()) != nullptr) full.push_back(vm::clip(v, checked.range));
    });
  }
  if ((flags & MS_INVALIDATE) != 0 && locked) return call.fail(EBUSY);
  // In order of addresses, up to a hole or the first failure (mm/msync.c).
  for (const vm::Vma& v : full)
    if (const auto done = (flags & MS_SYNC) != 0 ? sync_mapping(call, v) : Result<void>{}; !done) return call.fail(done.error().code);
  // What else can be dirty is mapped by the host, which also has mappings wherever the model has one or had none.
  if (host && !hole) return call.proceed();
  hole ? call.fail(ENOMEM) : call.reply(0);
}

void on_mincore(const Call& call) {
  const auto checked = check(call.argument(0), call.argument(1), ENOMEM, Wrapped::Refused);
  if (checked.error != 0) return call.fail(checked.error);
  if (checked.range.end > kUserTop) return call.fail(ENOMEM);
  if (checked.empty) return call.reply(0);
  Space& space = call.space();
  std::vector<unsigned char> answer(checked.range.pages());
  {
    const std::lock_guard lock(space.mutex);
    if (!space.map.is_covered(checked.range)) return call.fail(ENOMEM);
    for (PageIndex i = 0; i < answer.size(); ++i) {
      const VirtAddr at = checked.range.start + bytes_of(i);
      answer[i] = page_resident(space, *space.map.find(at), at) ? 1 : 0;
    }
  }
  call.finish(write_guest(space, call.argument(2), answer.data(), answer.size()));
}

void on_mlock(const Call& call) { mlock(call, false); }

void on_mlock2(const Call& call) {
  constexpr std::uint64_t kOnFault = 1;
  if ((call.argument(2) & ~kOnFault) != 0) return call.fail(EINVAL);
  mlock(call, (call.argument(2) & kOnFault) != 0);
}

void on_munlock(const Call& call) {
  const VirtAddr start = page_down(call.argument(0));
  const auto checked = check(start, call.argument(1) + (call.argument(0) - start), EINVAL);
  if (checked.error != 0) return call.fail(checked.error);
  if (checked.empty) return call.reply(0);
  std::unique_lock lock(call.space().mutex);
  call.space().wait_for_fork(lock);
  set_locked(call.space(), checked.range, false) ? call.reply(0) : call.fail(ENOMEM);
}

void on_mlockall(const Call& call) {
  const std::uint64_t flags = call.argument(0);
  constexpr std::uint64_t kOnFault = 4;
  if (flags == 0 || flags == kOnFault || (flags & ~(MCL_CURRENT | MCL_FUTURE | kOnFault)) != 0) return call.fail(EINVAL);
  Space& space = call.space();
  std::vector<VirtRange> ranges;
  {
    std::unique_lock lock(space.mutex);
    space.wait_for_fork(lock);
    if (!may_lock_at_all(space)) return call.fail(EPERM);
    if ((flags & MCL_CURRENT) != 0 && !may_lock(space, space.map.mapped())) return call.fail(ENOMEM);
    space.lock_future = (flags & MCL_FUTURE) != 0;
    space.lock_on_fault = space.lock_future && (flags & kOnFault) != 0;
    if ((flags & MCL_CURRENT) != 0) {
      space.map.modify({0, kUserTop}, [&](vm::Vma& v) { v.set_locked(true, (flags & kOnFault) != 0); });
      for (const auto& [start, v] : space.map.all()) ranges.push_back(v.range);
    }
  }
  if ((flags & kOnFault) == 0)
    for (const VirtRange r : ranges) (void)populate(call.supervisor, space, r, Purpose::Lock);
  call.reply(0);
}

void on_munlockall(const Call& call) {
  std::unique_lock lock(call.space().mutex);
  call.space().wait_for_fork(lock);
  call.space().lock_future = call.space().lock_on_fault = false;
  call.space().map.modify({0, kUserTop}, [](vm::Vma& v) { v.set_locked(false); });
  call.reply(0);
}

}  // namespace pagefold::kernel
