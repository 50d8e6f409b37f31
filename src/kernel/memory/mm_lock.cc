// mlock, mlock2, munlock, mlockall, munlockall: locked pages are there, and stay. The host locks nothing: frames of Pagefold's go only
// when Pagefold lets them. Errnos as in mlock(2) and mm/mlock.c.

#include <sys/mman.h>

#include <algorithm>
#include <vector>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/memory/checked_range.h"
#include "kernel/memory/host_advice.h"
#include "kernel/memory/mm_limits.h"

namespace pagefold::kernel {
namespace {

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

}  // namespace

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
