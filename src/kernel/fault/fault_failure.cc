// Touches of mapped pages that fail: the page cannot be read, from its file or from the swap, or it is to be so (failures on demand,
// `read`). A touch is asked about once, by a thread that may wait; pages that are asked about are installed alone.
//
// To fail, the host is shown, at this page, a store that has no pages: it raises SIGBUS (BUS_ADRERR), or gives EFAULT to a system
// call, exactly as for a page that a disk cannot read. When the thread has got it, the page is as it was, so that the next touch
// comes here again. The thread is held with ptrace(2) between the two; where that is not possible the page goes on failing.
//
// The message of a touch can be out of date: its thread was woken by another's. Then nothing happens to it.

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kernel/fail/failures.h"
#include "kernel/fault/fault_service.h"
#include "kernel/process/host_proc.h"
#include "kernel/sync/host_sync.h"

namespace pagefold::kernel {
namespace {

// Shared memory without a page.
Result<vm::ObjectRef> nothing() {
  static const auto empty = frame::SharedObject::create(0);
  return empty;
}

// The next stop of a thread that is held here: its signal, and the event above the lowest 8 bits. nullopt: it has ended.
std::optional<int> next_stop(pid_t thread, pid_t group) {
  const auto id = static_cast<id_t>(thread);
  siginfo_t stop{};
  if (::waitid(P_PID, id, &stop, WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD) != 0) return std::nullopt;
  if (stop.si_code == CLD_TRAPPED) return stop.si_status;
  // Who reaps the guests wants to see the end of a process that is our child. Any other end is seen by its parent only when the
  // tracer has seen it.
  if (thread != group || host_status_field(thread, "PPid:") != std::to_string(::getpid()))
    ::waitid(P_PID, id, &stop, WEXITED | __WALL | __WNOTHREAD);
  return std::nullopt;
}

bool has_ended(pid_t thread) {
  const auto state = host_status_field(thread, "State:");
  return !state || state->starts_with('Z') || state->starts_with('X');
}

// Another thread of ours may hold it for a moment.
bool seize(pid_t thread) {
  using namespace std::chrono_literals;
  constexpr int kTries = 1000;
  for (int i = 0; i < kTries; ++i) {
    if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0) return true;
    if (errno != EPERM || has_ended(thread)) return false;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

// Threads that are held here, and what is to be put right, beside the page they are held for, before each goes on: when the
// message for that page is out of date, the thread may be at another that fails.
class HeldThreads {
 public:
  // True: the caller is to hold the thread. False: somebody does, who will call `restore`.
  bool enter(pid_t thread, const std::function<void()>& restore) {
    const std::lock_guard lock(mutex_);
    const auto [it, is_new] = held_.try_emplace(thread);
    if (!is_new) it->second.push_back(restore);
    return is_new;
  }
  void leave(pid_t thread) {
    std::vector<std::function<void()>> restores;
    {
      const std::lock_guard lock(mutex_);
      restores.swap(held_[thread]);
      held_.erase(thread);
    }
    for (const auto& restore : restores) restore();
  }

 private:
  std::mutex mutex_;
  std::map<pid_t, std::vector<std::function<void()>>> held_;
};

HeldThreads& held_threads() {
  static HeldThreads threads;
  return threads;
}

// Lets a thread that waits at a touch go on, until it has had what is in store for it there: SIGBUS, or EFAULT for its system call. Then
// calls restore(), and lets the thread run. One instruction is stepped over, with signals blocked, so that this ends also if it
// was not waiting any more. group 0: it is not known. False: it could not be held; wake() has been called all the same.
template <class Wake, class Restore>
bool make_thread_touch(pid_t thread, pid_t group, Wake&& wake, Restore&& restore) {
  constexpr std::uint64_t kMaskSize = 8, kAllButBus = ~(std::uint64_t{1} << (SIGBUS - 1));
  if (group != 0 && !held_threads().enter(thread, restore)) return wake(), true;
  const bool held = group != 0 && seize(thread) && ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0;
  const std::string waits_in = host_call_of(thread);
  wake();
  if (!held) {
    const bool gone = has_ended(thread);
    if (gone) restore();
    if (group != 0) held_threads().leave(thread);
    return gone;
  }
  auto stop = next_stop(thread, group);
  std::uint64_t mask = 0;
  if (stop && (*stop >> 8) != 0 && waits_in.starts_with("-1") && ::ptrace(PTRACE_GETSIGMASK, thread, kMaskSize, &mask) == 0) {
    std::uint64_t blocked = mask | kAllButBus;
    ::ptrace(PTRACE_SETSIGMASK, thread, kMaskSize, &blocked);
    ::ptrace(PTRACE_SINGLESTEP, thread, nullptr, nullptr);
    stop = next_stop(thread, group);
    if (stop) ::ptrace(PTRACE_SETSIGMASK, thread, kMaskSize, &mask);
  }
  restore();
  held_threads().leave(thread);
  if (!stop) return true;
  const bool deliver = (*stop >> 8) == 0 && *stop != SIGTRAP;
  ::ptrace(PTRACE_DETACH, thread, nullptr, static_cast<std::uintptr_t>(deliver ? *stop : 0));
  return true;
}

}  // namespace

std::optional<FaultService::Outcome> FaultService::meet_failure(const cache::FileObject& file, PageIndex page) {
  Failures* failures = supervisor_.failures();
  if (failures == nullptr || met_ || failures->next_armed(space_, file, page, page + 1) != page) return std::nullopt;
  if (!asked_.empty()) return Outcome::Done;  // waits for its own touch
  if (patience_ == Patience::NoWait) return Outcome::Later;
  if (!touch_) {
    touch_ = std::make_unique<Failures::Touch>(failures->touch(space_, fault_, file, page));
    if (must_suffer()) return Outcome::Later;  // told and waited for without the lock
  }
  met_ = true;
  if (touch_->decision.outcome != inject::Outcome::Error) return std::nullopt;
  const auto shown = show_nothing();
  return shown ? Outcome::Done : give_up(shown.error());
}

// Space::mutex is not held. False: the process is being killed.
bool FaultService::suffer() {
  supervisor_.failures()->tell(*touch_, space_);
  touch_->decision.hits.clear();
  std::this_thread::sleep_for(touch_->decision.delay);
  if (touch_->decision.outcome != inject::Outcome::Kill) return true;
  Failures::kill(space_.pid);
  return false;
}

PageIndex FaultService::armed_behind(const cache::FileObject& file, PageIndex page, PageIndex last) const {
  const Failures* failures = supervisor_.failures();
  return failures == nullptr || page >= last ? last : failures->next_armed(space_, file, page, last);
}

PageIndex FaultService::armed_before(const cache::FileObject& file, PageIndex first, PageIndex page) const {
  if (supervisor_.failures() == nullptr) return first;
  for (PageIndex armed = armed_behind(file, first, page); armed < page; armed = armed_behind(file, first, page)) first = armed + 1;
  return first;
}

Result<void> FaultService::show_nothing() {
  const vm::Vma* v = space_.map.find(fault_.address);
  if (v == nullptr) return fail(EFAULT);
  HostOp op;
  op.piece = {{fault_.address, fault_.address + kPageSize}, pmap::HostPiece::Kind::Object, v->prot, 0, PAGEFOLD_TRY(nothing())};
  PAGEFOLD_CHECK(carry_out(space_, supervisor_.listener(), {op}));
  record(FaultCause::Protection, 0);
  raise_ = true;
  return {};
}

// Only Space::mutex is held.
FaultService::Outcome FaultService::refuse() {
  const Error why = *std::exchange(refused_, std::nullopt);
  if (!asked_.empty()) return Outcome::Done;  // waits for its own touch
  if (patience_ == Patience::NoWait) return Outcome::Later;
  stats().note("a page could not be filled: " + why.message());
  if (!show_nothing() && !space_.uffd.poison({fault_.address, fault_.address + kPageSize})) supervisor_.kill_space(space_);
  return Outcome::Done;
}

void FaultService::raise() {
  const VirtRange here{fault_.address, fault_.address + kPageSize};
  const auto task = supervisor_.guests().task(fault_.thread);
  // Space::mutex is taken for moments only: what the thread does meanwhile may need it.
  const auto wake = [&] {
    const std::lock_guard lock(space_.mutex);
    if (space_.uffd) space_.uffd.wake(here);
  };
  // A thread that is known may be held by another of ours, which will put the page right, perhaps after this. One that has ended
  // (another's failure let it go on) is nobody's: the page is put right at once.
  const SpaceRef kept = task && task->space.get() == &space_ ? task->space : nullptr;
  const auto restore = [kept, &now = space_, here, &listener = supervisor_.listener()] {
    Space& space = kept ? *kept : now;
    const std::lock_guard lock(space.mutex);
    if (space.state == Space::State::Running) (void)synchronise(space, listener, here, Urgency::Eager);
  };
  if (!make_thread_touch(fault_.thread, kept ? task->group : 0, wake, restore))
    stats().note("a page that failed goes on failing: its thread could not be held");
}

}  // namespace pagefold::kernel
