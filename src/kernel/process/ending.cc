// The end of threads and processes. Both are let through to the host; before that, what others rely on is put in order.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/files/own_files.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/host_proc.h"
#include "kernel/process/robust_lists.h"

namespace pagefold::kernel {
namespace {

// Pages of a layered mapping may be stored to again, at once: heirs get their copies.
void release_guards(Space& space, VirtRange r) {
  const vm::Vma* v = space.map.find(r.start);
  if (v == nullptr || !v->layered) return;
  r = r.intersect(v->range);
  const std::lock_guard family(space.layer->mutex());
  vm::Layer& layer = *space.layer;
  const PageIndex first = v->layer_page(r.start), last = first + r.pages();
  for (PageIndex page = layer.guarded().next(first, last); page < last; page = layer.guarded().next(page + 1, last)) {
    if (!layer.push(page)) return;
    layer.unguard(page);
    const VirtAddr at = r.start + bytes_of(page - first);
    (void)space.uffd.allow_writes({at, at + kPageSize});
  }
  if (pressure() == nullptr) return;
  // Evictions hold stores back as well.
  layer.present().for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    layer.frames().stay(from, to);
    for (PageIndex page = from; page < to; ++page) {
      const VirtAddr at = r.start + bytes_of(page - first);
      if (!layer.mirrors().test(page)) (void)space.uffd.allow_writes({at, at + kPageSize});
    }
  });
}

// Pages that have a frame but are watched (reclaim/reclaimer.h), and so not in the page tables.
void map_present_pages(Space& space, VirtRange r) {
  const vm::Vma* v = space.map.find(r.start);
  if (v == nullptr || !v->layered) return;
  r = r.intersect(v->range);
  const std::lock_guard family(space.layer->mutex());
  const PageIndex first = v->layer_page(r.start);
  space.layer->present().for_each_run(first, first + r.pages(), [&](PageIndex from, PageIndex to) {
    if (space.layer->frames().next_out(from, to) != to) return;
    const VirtAddr at = r.start + bytes_of(from - first);
    (void)space.uffd.map_present({at, at + bytes_of(to - from)}, pmap::Uffd::Wake::Yes);
  });
}

// Where an ending thread's id in memory cannot be below. In glibc and musl it lies above the thread's stack; that of the main thread,
// whose stack the kernel made, lies in glibc right before its list of robust mutexes.
std::optional<VirtAddr> below_thread_id(pid_t tid, pid_t group) {
  if (tid != group) return host_stack_pointer(tid);
  robust_list_head* head = nullptr;
  std::size_t size = 0;
  if (::syscall(SYS_get_robust_list, tid, &head, &size) != 0 || head == nullptr) return std::nullopt;
  constexpr VirtAddr kIdToList = 64;
  return reinterpret_cast<VirtAddr>(head) - kIdToList;
}

// As far above that as the id may lie: thread-local storage is in between.
constexpr Bytes kMostBelowThreadId = Bytes{2} << 20;

void keep_for_exit(const Call& call, VirtAddr low) {
  Space& space = call.space();
  VirtRange kept{page_down(low), page_down(low)};
  {
    const std::lock_guard lock(space.mutex);
    if (const vm::Vma* v = space.map.find(low); v != nullptr && v->layered) kept.end = std::min(v->range.end, kept.start + kMostBelowThreadId);
    space.forget_exited();  // so that the list stays short where nobody forks
    space.exiting.push_back({call.task.group, static_cast<pid_t>(call.notification.pid), kept});
  }
  // From here on no page there is evicted; those that are out come back.
  if (pressure() != nullptr) (void)populate(call.supervisor, space, kept, Purpose::Restore);
  const std::lock_guard lock(space.mutex);
  release_guards(space, kept);
  if (pressure() != nullptr) map_present_pages(space, kept);
}

}  // namespace

// When a thread ends, the kernel clears its id in memory and wakes who joins it - but it does not wait for a page fault there
// (handle_userfault() refuses exiting threads). So the page must not be guarded, and no fork may guard it again until the thread is
// gone.
void on_thread_exit(const Call& call) {
  const auto tid = static_cast<pid_t>(call.notification.pid);
  if (const auto low = below_thread_id(tid, call.task.group)) keep_for_exit(call, *low);
  release_robust_locks_of_caller(call);
  call.supervisor.guests().forget_thread(tid);
  call.proceed();
}

// Whoever waits for this process may count on its memory being gone: the agent, which shares it, ends first.
void on_exit_group(const Call& call) {
  if (call.task.group == call.space().pid && call.supervisor.guests().is_alone(call.task)) {
    call.space().agent.await_arrival();
    call.supervisor.end_agent(call.space(), Supervisor::Wait::Yes);
    if (OwnFiles* files = call.supervisor.own_files()) {
      {
        const std::lock_guard lock(call.space().mutex);
        OwnFiles::leave(call.space());
      }
      files->settle();
    }
  }
  call.proceed();
}

}  // namespace pagefold::kernel
