// System V shared memory is the host's. The guest's own thread is made to attach a segment, at an address the model chooses:
// it alone has the credentials that the host must check.

#include <fmt/format.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "cache/file_cache.h"
#include "kernel/calls.h"
#include "kernel/sync/host_sync.h"
#include "kernel/process/redirect.h"

namespace pagefold::kernel {
namespace {

Result<VirtAddr> choose(Space& space, VirtAddr wanted_address, Bytes size, std::uint64_t flags) {
  if (wanted_address == 0) {
    const auto gap = space.map.find_gap(size);
    if (!gap) return fail(ENOMEM);
    return *gap;
  }
  if ((flags & SHM_RND) != 0) wanted_address = page_down(wanted_address);
  const VirtRange r{wanted_address, wanted_address + size};
  if (!page_aligned(wanted_address) || reserved(r)) return fail(EINVAL);
  if ((flags & SHM_REMAP) == 0 && !space.map.is_free(r)) return fail(EINVAL);
  return wanted_address;
}

// The segment, as the supervisor sees it.
Result<shmid_ds> look_up(const Call& call, int id) {
  struct stat ours {}, theirs {};
  if (::stat("/proc/self/ns/ipc", &ours) != 0 || ::stat(fmt::format("/proc/{}/ns/ipc", call.notification.pid).c_str(), &theirs) != 0)
    return fail(EACCES);
  if (ours.st_ino != theirs.st_ino) {
    stats().note("shmat was refused (ENOSYS): segments of another IPC namespace");
    return fail(ENOSYS);
  }
  shmid_ds segment{};
  if (::shmctl(id, IPC_STAT, &segment) != 0) return fail_errno("shmctl");
  return segment;
}

Result<VirtAddr> attach(const Call& call, const Stop& stop) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  const std::uint64_t id = call.argument(0), flags = call.argument(2);
  const shmid_ds segment = PAGEFOLD_TRY(look_up(call, static_cast<int>(id)));
  const Bytes size = page_up(segment.shm_segsz);
  const auto key = static_cast<unsigned>(segment.shm_perm.__key);
  if (size == 0 || size > kUserTop) return fail(EINVAL);
  const VirtAddr start = PAGEFOLD_TRY(choose(space, call.argument(1), size, flags));
  const std::int64_t attached = PAGEFOLD_TRY(stop.call(SYS_shmat, id, start, flags | SHM_REMAP));
  if (attached < 0 && attached > -4096) return fail(static_cast<int>(-attached));
  PAGEFOLD_CHECK(unmap_range(space, {start, start + size}));
  vm::Vma v;
  v.range = {start, start + size};
  v.prot = static_cast<vm::Prot>(vm::kRead | ((flags & SHM_RDONLY) != 0 ? 0 : vm::kWrite) | ((flags & SHM_EXEC) != 0 ? vm::kExec : 0));
  v.shared = true;
  v.layer = start;
  v.object = std::make_shared<cache::HostObject>(fmt::format("/SYSV{:08x} (deleted)", key), 0, id);
  space.host.set(wanted(v));
  space.map.insert(std::move(v));
  return start;
}

Result<void> detach(const Call& call) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  const VirtAddr start = call.argument(0);
  const vm::Vma* v = space.map.find(start);
  if (v == nullptr || v->range.start != start || !v->host() || !v->object->name().starts_with("/SYSV")) return fail(EINVAL);
  const vm::ObjectRef object = v->object;
  PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(), {SYS_shmdt, {start, 0, 0, 0, 0, 0}, 0, 0}));
  while ((v = space.map.find_from(start)) != nullptr && v->object == object) {
    const VirtRange gone = v->range;
    PAGEFOLD_CHECK(unmap_range(space, gone));
    space.host.erase(gone);
    PAGEFOLD_CHECK(synchronise(space, call.supervisor.listener(), gone, Urgency::Lazy));
  }
  return {};
}

}  // namespace

void on_shmat(const Call& call) {
  const auto stop = stop_caller(call, [](const Call& c) { c.reply(0); });
  if (!stop) return;
  const auto attached = attach(call, *stop);
  auto registers = stop->registers();
  if (!registers) return;  // the thread has ended
  registers->rax = attached ? *attached : static_cast<std::uint64_t>(-attached.error().code);
  (void)stop->set_registers(*registers);
}

void on_shmdt(const Call& call) { call.finish(detach(call)); }

}  // namespace pagefold::kernel
