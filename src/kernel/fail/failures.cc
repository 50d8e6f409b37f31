#include "kernel/fail/failures.h"

#include <fmt/format.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <thread>

#include "inject/grammar.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/process/host_proc.h"
#include "report/units.h"

namespace pagefold::kernel {
namespace {

using inject::Decision;
using inject::Outcome;
using inject::Place;
using inject::Via;

// Hits are told one by one up to here; beyond they are counted.
constexpr std::size_t kMostTold = 1000;
// As much of a stack as is kept to find the caller in.
constexpr Bytes kStackKept = 16 << 10;

std::string capital(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return name;
}

// What a hit came to, of one spec.
std::string told(const inject::Spec& spec, const report::HitLine& hit) {
  std::string text = spec.delay.count() == 0
                         ? ""
                         : fmt::format("waited {}", report::human_time(static_cast<std::uint64_t>(spec.delay.count())));
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  switch (spec.outcome) {
    case Outcome::Proceed: break;
    case Outcome::Error: add(hit.what == "touch" ? "SIGBUS" : capital(inject::name_of_errno(spec.error))); break;
    case Outcome::Short: add(hit.outcome); break;
    case Outcome::Kill: add("killed"); break;
  }
  return text;
}

std::string program_of(const Space& space) { return path_as_seen(space.pid, space.program); }

}  // namespace

std::string path_as_seen(pid_t process, std::string path) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  std::array<char, PATH_MAX> root{};
  const ssize_t n = ::readlink(fmt::format("/proc/{}/root", process).c_str(), root.data(), root.size());
  const std::string_view prefix(root.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (prefix.size() > 1 && path.starts_with(prefix) && path.size() > prefix.size() && path[prefix.size()] == '/') path.erase(0, prefix.size());
  return path;
}

event::CodeSnapshot snapshot(Space& space, pid_t thread) {
  event::CodeSnapshot code;
  const std::string text = host_call_of(thread);
  const char* format = text.starts_with("-1") ? "-1 %lx %lx" : "%*d %*x %*x %*x %*x %*x %*x %lx %lx";
  unsigned long stack = 0, instruction = 0;
  if (std::sscanf(text.c_str(), format, &stack, &instruction) != 2) return code;
  code.instruction = instruction;
  VirtAddr top = stack;
  {
    const std::lock_guard lock(space.mutex);
    if (const vm::Vma* v = space.map.find(stack)) top = std::min(v->range.end, stack + kStackKept);
    for (const auto& [start, v] : space.map.all())
      if ((v.prot & vm::kExec) != 0 && v.object) code.modules.push_back({v.range, v.offset, v.object->name()});
  }
  code.stack_bytes.resize(top - stack);
  if (read_guest(space, stack, code.stack_bytes.data(), code.stack_bytes.size()))
    code.stack = stack;
  else
    code.stack_bytes.clear();
  return code;
}

void Failures::record(const Decision& decision, const report::HitLine& what) {
  const std::lock_guard lock(mutex_);
  for (const inject::Hit& hit : decision.hits) {
    if (hits_.size() == kMostTold) {
      ++more_hits_;
      continue;
    }
    report::HitLine line = what;
    line.spec = hit.spec;
    line.number = hit.number;
    line.outcome = told(plan_.specs()[hit.spec], what);
    hits_.push_back(std::move(line));
  }
}

void Failures::tell(report::RunSummary& summary) const {
  const auto tallies = plan_.tallies();
  for (std::size_t i = 0; i < tallies.size(); ++i)
    summary.failures.push_back({plan_.specs()[i].text, tallies[i].matches, tallies[i].hits});
  const std::lock_guard lock(mutex_);
  summary.hits = hits_;
  summary.more_hits = more_hits_;
}

// ---- touches

PageIndex Failures::next_armed(const Space& space, const cache::FileObject& file, PageIndex from, PageIndex to) const {
  if (!plan_.concerns(Place::Read)) return to;
  return plan_.next_armed(Place::Read, path_as_seen(space.pid, file.name()), program_of(space), from, to);
}

Failures::Touch Failures::touch(const Space& space, const Fault& fault, const cache::FileObject& file, PageIndex page) {
  Touch touch;
  report::HitLine& hit = touch.hit;
  hit.what = "touch";
  hit.path = path_as_seen(space.pid, file.name());
  hit.offset = bytes_of(page);
  hit.length = kPageSize;
  hit.process = space.pid;
  hit.thread = fault.thread;
  hit.program = program_of(space);
  touch.decision = plan_.decide({Place::Read, Via::Map, "", hit.path, hit.program, page, page + 1});
  return touch;
}

void Failures::tell(Touch& touch, Space& space) {
  touch.hit.code = snapshot(space, touch.hit.thread);
  record(touch.decision, touch.hit);
}

// ---- write-back

// Who waits for it is known if it is done for a call; what time or an ending mapping brings about is nobody's.
Result<void> Failures::before_write_back(const cache::FullFile& file, vm::PageSet& pages, vm::PageSet& failed) {
  Result<void> done;
  if (!plan_.concerns(Place::Write)) return done;
  report::HitLine hit;
  hit.what = "write-back";
  hit.length = kPageSize;
  hit.process = caller_ == nullptr ? 0 : caller_->task.group;
  hit.path = path_as_seen(hit.process == 0 ? ::getpid() : hit.process, file.name());
  if (caller_ != nullptr) hit.program = program_of(caller_->space());
  pages.for_each_run(0, inject::Pages::kEnd, [&](PageIndex from, PageIndex to) {
    for (PageIndex page = from; page < to; ++page) {
      const Decision decision = plan_.decide({.place = Place::Write, .via = Via::Map, .call = "", .path = hit.path, .program = hit.program,
                                              .first = page, .last = page + 1, .somebody = caller_ != nullptr});
      if (decision.hits.empty()) continue;
      hit.offset = bytes_of(page);
      if (caller_ != nullptr) {
        hit.thread = static_cast<pid_t>(caller_->notification.pid);
        hit.code = snapshot(caller_->space(), hit.thread);
      }
      record(decision, hit);
      std::this_thread::sleep_for(decision.delay);
      if (decision.outcome == Outcome::Proceed) continue;
      if (decision.outcome == Outcome::Kill) kill(hit.process);
      failed.set(page);
      if (done) done = fail(decision.outcome == Outcome::Error ? decision.error : EINTR, "write back " + file.name());
    }
  });
  failed.for_each_run(0, inject::Pages::kEnd, [&](PageIndex from, PageIndex to) { pages.clear_range(from, to); });
  return done;
}

void Failures::kill(pid_t process) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
}

}  // namespace pagefold::kernel
