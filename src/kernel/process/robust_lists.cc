#include "kernel/process/robust_lists.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "cache/full_file.h"
#include "frame/shared_object.h"
#include "kernel/calls.h"
#include "kernel/files/own_files.h"
#include "kernel/fault/fault.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/pressure/pressure.h"

namespace pagefold::kernel {
namespace {

constexpr VirtAddr kPriorityBit = 1;  // of a pointer to an entry: its mutex inherits priorities
constexpr int kTriesForAFrame = 100;

// A lock that a thread may have held: where its futex is, and what is known of it.
struct Lock {
  VirtAddr word = 0;
  bool inherits_priority = false;
  bool pending = false;  // the thread was about to lock or to unlock it
};

// As exit_robust_list() in kernel/futex/core.c.
std::vector<Lock> locks_of(Space& space, VirtAddr head_at) {
  std::vector<Lock> locks;
  struct {
    VirtAddr first;
    std::int64_t offset;
    VirtAddr pending;
  } head{};
  if (!read_guest(space, head_at, &head, sizeof head)) return locks;
  const auto add = [&](VirtAddr entry, bool pending) {
    locks.push_back({(entry & ~kPriorityBit) + static_cast<VirtAddr>(head.offset), (entry & kPriorityBit) != 0, pending});
  };
  VirtAddr entry = head.first;
  for (unsigned i = 0; i < ROBUST_LIST_LIMIT && (entry & ~kPriorityBit) != head_at; ++i) {
    VirtAddr next = 0;
    const bool goes_on = read_guest(space, entry & ~kPriorityBit, &next, sizeof next).has_value();
    if ((entry & ~kPriorityBit) != (head.pending & ~kPriorityBit)) add(entry, false);
    if (!goes_on) break;
    entry = next;
  }
  if ((head.pending & ~kPriorityBit) != 0) add(head.pending, true);
  return locks;
}

// As handle_futex_death(), on a page that has a frame and will have one until this returns.
void mark(int store, Bytes offset, pid_t owner, const Lock& lock) {
  void* const page = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, store, static_cast<off_t>(page_down(offset)));
  if (page == MAP_FAILED) return;
  auto* const word = reinterpret_cast<std::uint32_t*>(static_cast<std::byte*>(page) + (offset & kPageMask));
  const std::atomic_ref<std::uint32_t> futex(*word);
  std::uint32_t value = futex;
  bool wake = lock.pending && !lock.inherits_priority && value == 0;
  while ((value & FUTEX_TID_MASK) == static_cast<std::uint32_t>(owner)) {
    if (!futex.compare_exchange_weak(value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) continue;
    wake = !lock.inherits_priority && (value & FUTEX_WAITERS) != 0;
    break;
  }
  if (wake) ::syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);  // by page of the store, so from anywhere
  ::munmap(page, kPageSize);
}

void mark_in(frame::SharedObject& shared, Bytes offset, pid_t owner, const Lock& lock) {
  const PageIndex page = page_of(offset);
  Room room;  // one frame is left for what it was asked for (SwappedFrames)
  if (!room.ask(2, 2, reclaim::Patience::Wait)) return;
  const std::lock_guard still(shared.mutex);
  if (page >= shared.pages() || !shared.resident.test(page)) return;
  if (shared.frames().is_out(page)) {
    alignas(kPageSize) std::array<std::byte, kPageSize> contents;
    if (!shared.frames().read(bytes_of(page), contents.data(), kPageSize)) return;
    if (!shared.frames().write(bytes_of(page), contents.data(), kPageSize) || shared.frames().is_out(page)) return;
  }
  shared.frames().stay(page, page + 1);
  mark(shared.store()->fd(), offset, owner, lock);
}

void mark_in(OwnFiles& files, cache::FullFile& file, Bytes offset, pid_t owner, const Lock& lock) {
  const PageIndex page = page_of(offset);
  for (int i = 0; i < kTriesForAFrame && page < file.pages() && file.writer(); ++i) {
    auto state = cache::FullFile::Mark::NoFrame;
    {
      const std::shared_lock contents(file.contents());  // so that a dirty page stays dirty, and has its frame
      state = file.mark_dirty(page);
      if (state == cache::FullFile::Mark::Done) return mark(file.frames(), offset, owner, lock);
    }
    if (state == cache::FullFile::Mark::Followed) {
      files.expel(file, page, page + 1);
      continue;
    }
    Room room;
    if (!room.ask(1, 1, reclaim::Patience::Wait)) return;
    const auto read = file.ensure(page, page + 1, cache::FileObject::Patience::Wait);
    if (!read) return;
    stats().frames(static_cast<std::int64_t>(bytes_of(*read)));
  }
}

// Private memory of a process that goes on.
void mark_in_layer(Supervisor& supervisor, Space& space, pid_t owner, const Lock& lock) {
  const VirtRange here{page_down(lock.word), page_down(lock.word) + kPageSize};
  for (int i = 0; i < kTriesForAFrame; ++i) {
    (void)populate(supervisor, space, here, Purpose::Restore);
    const std::lock_guard still(space.mutex);
    const vm::Vma* v = space.map.find(lock.word);
    if (v == nullptr || !v->layered || !v->writable()) return;
    const std::lock_guard family(space.layer->mutex());
    vm::Layer& layer = *space.layer;
    const PageIndex page = v->layer_page(lock.word);
    if (!layer.present().test(page) || layer.frames().is_out(page)) continue;  // evicted meanwhile
    if (!layer.push(page)) return;
    // Where the host still holds stores back, the next one finds that there is no reason to.
    layer.unguard(page);
    layer.unmirror(page);
    layer.frames().stay(page, page + 1);
    return mark(space.store->fd(), v->layer_offset(lock.word), owner, lock);
  }
}

enum class Others : bool { Gone, GoOn };  // threads of the same process

void release(Supervisor& supervisor, Space& space, pid_t owner, const Lock& lock, Others others) {
  std::uint32_t value = 0;
  if (lock.word % sizeof value != 0 || !read_guest(space, lock.word, &value, sizeof value)) return;
  if ((value & FUTEX_TID_MASK) != static_cast<std::uint32_t>(owner) && !(lock.pending && value == 0)) return;
  vm::ObjectRef object;
  Bytes offset = 0;
  {
    const std::lock_guard still(space.mutex);
    const vm::Vma* v = space.map.find(lock.word);
    if (v == nullptr || !v->writable() || v->host()) return;
    if (v->shared) object = v->object;
    offset = v->object_offset(lock.word);
  }
  if (!object && others == Others::GoOn) mark_in_layer(supervisor, space, owner, lock);
  if (auto* shared = dynamic_cast<frame::SharedObject*>(object.get())) mark_in(*shared, offset, owner, lock);
  if (auto* file = dynamic_cast<cache::FullFile*>(object.get())) mark_in(*supervisor.own_files(), *file, offset, owner, lock);
}

void release_all(Supervisor& supervisor, Space& space, pid_t owner, VirtAddr head, Others others) {
  for (const Lock& lock : locks_of(space, head)) release(supervisor, space, owner, lock, others);
}

}  // namespace

void release_robust_locks_of_caller(const Call& call) {
  const auto thread = static_cast<pid_t>(call.notification.pid);
  robust_list_head* head = nullptr;
  std::size_t size = 0;
  const bool known = ::syscall(SYS_get_robust_list, thread, &head, &size) == 0 && head != nullptr;
  if (known) release_all(call.supervisor, call.space(), thread, reinterpret_cast<VirtAddr>(head), Others::GoOn);
  const std::lock_guard lock(call.space().mutex);
  call.space().robust_lists.erase(thread);
}

void release_robust_locks(Supervisor& supervisor, Space& space, pid_t group) {
  std::vector<std::pair<pid_t, VirtAddr>> heads;
  {
    const std::lock_guard lock(space.mutex);
    for (const auto& [thread, list] : space.robust_lists)
      if (list.group == group) heads.emplace_back(thread, list.head);
    std::erase_if(space.robust_lists, [group](const auto& list) { return list.second.group == group; });
  }
  for (const auto& [thread, head] : heads) release_all(supervisor, space, thread, head, Others::Gone);
}

void on_set_robust_list(const Call& call) {
  if (call.argument(1) == sizeof(robust_list_head)) {
    const std::lock_guard lock(call.space().mutex);
    call.space().robust_lists[static_cast<pid_t>(call.notification.pid)] = {call.task.group, call.argument(0)};
  }
  call.proceed();
}

}  // namespace pagefold::kernel
