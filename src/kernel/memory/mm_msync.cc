// msync: stores through shared mappings reach their files. Errnos as in msync(2) and mm/msync.c.

#include <sys/mman.h>

#include <vector>

#include "kernel/calls.h"
#include "kernel/files/own_files.h"
#include "kernel/memory/checked_range.h"
#include "kernel/workers.h"

namespace pagefold::kernel {
namespace {

// To the file, and the file to its disk.
Result<void> sync_mapping(const Call& call, const vm::Vma& v) {
  const auto file = std::static_pointer_cast<cache::FullFile>(v.object);
  Workers::about_to_wait();
  return call.supervisor.own_files()->synchronise(file, {.thread = static_cast<pid_t>(call.notification.pid)}, page_of(v.offset),
                                                  page_of(v.offset) + v.range.pages());
}

}  // namespace

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

}  // namespace pagefold::kernel
