// System V shared memory is the host's: the agent attaches and detaches segments in the guest's name (it has the guest's
// credentials and IPC namespace), at addresses the model chooses.

#include <fmt/format.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "cache/file_cache.h"
#include "kernel/calls.h"
#include "kernel/host_sync.h"

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

Result<VirtAddr> attach(const Call& call) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  const std::uint64_t id = call.argument(0), flags = call.argument(2);
  static_assert(sizeof(shmid_ds) <= sizeof(stub::Area::scratch));
  PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(), {SYS_shmctl, {id, IPC_STAT, stub::kAreaBase + offsetof(stub::Area, scratch), 0, 0, 0}, 0, 0}));
  const auto& segment = reinterpret_cast<const shmid_ds&>(space.area->scratch);
  const Bytes size = page_up(segment.shm_segsz);
  const auto key = static_cast<unsigned>(segment.shm_perm.__key);
  if (size == 0 || size > kUserTop) return fail(EINVAL);
  const VirtAddr start = PAGEFOLD_TRY(choose(space, call.argument(1), size, flags));
  PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(), {SYS_shmat, {id, start, flags | SHM_REMAP, 0, 0, 0}, 0, 0}));
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
  const auto attached = attach(call);
  attached ? call.reply_address(*attached) : call.fail(attached.error().code);
}

void on_shmdt(const Call& call) { call.finish(detach(call)); }

}  // namespace pagefold::kernel
