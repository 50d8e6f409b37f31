// Failures of calls: what a call is about is found out first (call_subject.h); then the plan decides. A failing call does not come to
// its handler, so it has no effect; one that is cut short does, with fewer bytes to transfer.

#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <thread>

#include "kernel/fail/call_subject.h"
#include "kernel/fail/failures.h"
#include "kernel/files/read_for_guest.h"

namespace pagefold::kernel {

using inject::Decision;
using inject::Outcome;
using inject::Place;
using inject::Via;

namespace {

// False: the guest gave up, or is gone.
bool wait(const Call& call, std::chrono::nanoseconds delay) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kTick = std::chrono::milliseconds(50);  // between looks at the guest
  Workers::about_to_wait();
  for (const auto end = Clock::now() + delay; Clock::now() < end;) {
    std::this_thread::sleep_for(std::min<Clock::duration>(kTick, end - Clock::now()));
    if (!call.supervisor.listener().still_waiting(call.notification.id)) return false;
  }
  return true;
}

// What a short transfer comes to: half, or `most`; whole sectors where the host wants them.
Bytes shortened(const CallSubject& subject, Bytes most) {
  constexpr Bytes kSector = 512;
  Bytes length = std::max<Bytes>(1, most == 0 ? subject.length / 2 : std::min(most, subject.length));
  if (subject.direct && length > kSector) length -= length % kSector;
  return length;
}

}  // namespace

bool Failures::carry_out(Call& call, const CallSubject& subject, const Decision& decision) {
  if (decision.delay.count() != 0 && !wait(call, decision.delay)) return true;
  switch (decision.outcome) {
    case Outcome::Proceed: break;
    case Outcome::Short: call.most = std::min(call.most, shortened(subject, decision.most)); break;
    case Outcome::Kill: kill(call.task.group); return true;
    case Outcome::Error: {
      if (call.notification.data.nr != SYS_brk) return call.fail(decision.error), true;
      VirtAddr now = 0;  // brk(2) has no errors: the heap's end stays where it is
      {
        const std::lock_guard lock(call.space().mutex);
        now = call.space().brk;
      }
      return call.reply_address(now), true;
    }
  }
  if (decision.stop_before != inject::Pages::kEnd) call.most = std::min(call.most, bytes_of(decision.stop_before) - *subject.offset);
  return false;
}

bool Failures::meets(Call& call) {
  Space& space = call.space();
  std::string program;
  {
    const std::lock_guard lock(space.mutex);
    if (space.state != Space::State::Running) return false;
    program = path_as_seen(call.task.group, space.program);
  }
  bool reads = false;
  for (const CallRow& row : call_rows()) {
    if (row.number != call.notification.data.nr || !plan_.concerns(row.place)) continue;
    CallSubject subject;
    subject.place = row.place;
    subject.name = row.name;
    if (!look_at(call, row.shape, subject)) continue;
    const Decision decision = plan_.decide({row.place, Via::Call, row.name, subject.path, program, subject.first, subject.last,
                                            subject.length, subject.divisible, subject.held});
    if (!decision.hits.empty()) {
      report::HitLine hit;
      hit.what = row.name;
      hit.path = subject.path;
      hit.offset = subject.offset;
      hit.length = subject.length;
      hit.process = call.task.group;
      hit.thread = static_cast<pid_t>(call.notification.pid);
      hit.program = program;
      if (decision.outcome == Outcome::Short)
        hit.outcome = fmt::format("{} of {} bytes", shortened(subject, decision.most), subject.length);
      hit.code = snapshot(space, hit.thread);
      record(decision, hit);
    }
    if (carry_out(call, subject, decision)) return true;
    reads = reads || (row.place == Place::Read && row.shape == Shape::Transfer);
  }
  if (call.most == Call::kUnlimited || !reads) return false;
  read_in_part(call);
  return true;
}

}  // namespace pagefold::kernel
