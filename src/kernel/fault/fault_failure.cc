// Touches of mapped pages that fail (failures on demand, `read`). A touch is asked about once, by a thread that may wait; pages
// that are asked about are installed alone.
//
// To fail, the host is shown, at this page, a part of the file's store that lies beyond its end: it raises SIGBUS (BUS_ADRERR), or
// gives EFAULT to a system call, exactly as for a page that a disk cannot read. When the thread has got it, the page is as it was,
// so that the next touch comes here again. The thread is held with ptrace(2) between the two; where that is not possible the page
// goes on failing.

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "kernel/fail/failures.h"
#include "kernel/fault/fault_service.h"
#include "kernel/process/host_proc.h"
#include "kernel/sync/host_sync.h"

namespace pagefold::kernel {
namespace {

// Far beyond the end of any store, and a page offset that a mapping can have.
constexpr Bytes kBeyondAnyEnd = Bytes{1} << 60;

}  // namespace

std::optional<FaultService::Outcome> FaultService::meet_failure(vm::Vma& v, const cache::FileObject& file, PageIndex page) {
  Failures* failures = supervisor_.failures();
  if (failures == nullptr || met_ || failures->next_armed(space_, file, page, page + 1) != page) return std::nullopt;
  if (!asked_.empty()) return Outcome::Done;  // waits for its own touch
  if (patience_ == Patience::NoWait) return Outcome::Later;
  if (!touch_) {
    touch_ = std::make_unique<Failures::Touch>(failures->touch(space_, fault_, file, page));
    if (!touch_->decision.hits.empty()) return Outcome::Later;  // told and waited for without the lock
  }
  met_ = true;
  if (touch_->decision.outcome == inject::Outcome::Error) return show_nothing(v);
  return std::nullopt;
}

// Space::mutex is not held. False: the process is being killed.
bool FaultService::suffer() {
  if (!touch_ || touch_->decision.hits.empty()) return true;
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

FaultService::Outcome FaultService::show_nothing(const vm::Vma& v) {
  HostOp op;
  op.piece = {{fault_.address, fault_.address + kPageSize}, pmap::HostPiece::Kind::Object, v.prot, kBeyondAnyEnd, v.object};
  const auto done = carry_out(space_, supervisor_.listener(), {op});
  if (!done) return give_up(done.error());
  record(FaultCause::Protection, 0);
  raise_ = true;
  return Outcome::Done;
}

// Space::mutex is not held: what the thread does meanwhile may need it.
void FaultService::raise() {
  const VirtRange here{fault_.address, fault_.address + kPageSize};
  const auto task = supervisor_.guests().task(fault_.thread);
  const bool held = task && task->space.get() == &space_ && ::ptrace(PTRACE_SEIZE, fault_.thread, nullptr, nullptr) == 0;
  const auto within = read_host_file(fmt::format("/proc/{}/syscall", fault_.thread));
  const bool in_call = !within || !within->starts_with("-1");
  if (held && in_call) ::ptrace(PTRACE_INTERRUPT, fault_.thread, nullptr, nullptr);  // it gets EFAULT, and stops behind the call
  {
    const std::lock_guard lock(space_.mutex);
    if (space_.uffd) space_.uffd.wake(here);
  }
  if (!held) return stats().note("a page that failed goes on failing: its thread could not be held");
  siginfo_t stop{};  // an end is left to be seen by who reaps the guests
  if (::waitid(P_PID, static_cast<id_t>(fault_.thread), &stop, WEXITED | WSTOPPED | WNOWAIT | __WALL | __WNOTHREAD) != 0 || stop.si_code != CLD_TRAPPED) return;
  if (stop.si_status == SIGBUS || in_call) {
    const std::lock_guard lock(space_.mutex);
    if (space_.state == Space::State::Running) (void)synchronise(space_, supervisor_.listener(), here, Urgency::Eager);
  }
  const int signal = (stop.si_status >> 8) == 0 ? stop.si_status : 0;
  ::ptrace(PTRACE_DETACH, fault_.thread, nullptr, static_cast<std::uintptr_t>(signal));
}

}  // namespace pagefold::kernel
