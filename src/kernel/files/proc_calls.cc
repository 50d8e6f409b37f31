// /proc as the program should see it: opens of the files that tell about memory (view/proc_path.h) are answered with the
// model's truth, as a snapshot in a memfd. All other opens run natively. So do, without coming here, the steps of a walk through
// a tree (When::OpensFileAt): who walks through /proc like this reads the host's side of these files.
//
// The path is read from the guest's memory and may change under our eyes: that can only turn a view into the host's file of
// the same name, which the program may read anyway.

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>

#include "kernel/calls.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/process/host_proc.h"
#include "view/proc_path.h"
#include "view/proc_text.h"

namespace pagefold::kernel {
namespace {

// An exec that takes longer (a program on a slow disk) shows what is known so far.
constexpr std::chrono::milliseconds kExecPatience{1000};

using view::ProcFile;
using view::ProcFileKind;
using view::ProcSubject;

std::string link_target(const std::string& link) {
  std::array<char, PATH_MAX> target{};
  return ::readlink(link.c_str(), target.data(), target.size() - 1) < 0 ? std::string() : std::string(target.data());
}

// The names of files that are answered here: most opens are of others, and are known by that alone.
bool may_be_a_view(std::string_view path) {
  constexpr std::array<std::string_view, 7> kNames{"maps", "smaps", "smaps_rollup", "status", "statm", "stat", "limits"};
  const auto slash = path.rfind('/');
  return std::ranges::find(kNames, slash == std::string_view::npos ? path : path.substr(slash + 1)) != kNames.end();
}

// The absolute path that a relative one means, as long as it leads into /proc; empty otherwise.
std::string absolute(const Call& call, int directory, const std::string& path) {
  if (path.starts_with('/')) return path;
  const auto tid = call.notification.pid;
  const auto base = link_target(directory == AT_FDCWD ? fmt::format("/proc/{}/cwd", tid) : fmt::format("/proc/{}/fd/{}", tid, directory));
  return base.starts_with("/proc") ? base + "/" + path : std::string();
}

// Another process's memory map is for its owner and root, as natively (PTRACE_MODE_READ).
bool may_read(const Call& call, pid_t group) {
  if (group == call.task.group) return true;
  const auto own = host_status_field(call.task.group, "Uid:"), other = host_status_field(group, "Uid:");
  return own && (own->starts_with("0\t") || own == other);
}

// Whether the guest's root has a /proc that shows what the supervisor's shows. A guest in a pid namespace of its own counts
// processes differently: it is told of its own memory only.
bool has_proc(const Call& call, const ProcFile& file) {
  struct statfs there {};
  if (::statfs(fmt::format("/proc/{}/root/proc", call.notification.pid).c_str(), &there) != 0) return false;
  if (there.f_type != PROC_SUPER_MAGIC) return false;
  struct stat ours {}, theirs {};
  const bool known = ::stat("/proc/self/ns/pid", &ours) == 0 &&
                     ::stat(fmt::format("/proc/{}/ns/pid", call.notification.pid).c_str(), &theirs) == 0;
  const bool names_processes = file.subject == ProcSubject::Pid || file.task || file.kind == ProcFileKind::Status ||
                               file.kind == ProcFileKind::Stat;
  return known && (ours.st_ino == theirs.st_ino || !names_processes);
}

void replace(std::string& text, std::size_t from, std::size_t to, std::string_view by) {
  if (from != std::string::npos && to != std::string::npos) text.replace(from, to - from, by);
}

// The value of a line of /proc/PID/status.
void set_status(std::string& text, std::string_view label, std::string_view value) {
  const auto at = text.find(label);
  if (at == std::string::npos) return;
  const auto from = at + label.size();
  replace(text, from, text.find('\n', from), value);
}

// What the host's text says because of us: that the thread, which waits for this very answer, sleeps; and the run's filter.
std::string natively(std::string text, ProcFileKind kind, bool asks_about_itself) {
  if (kind == ProcFileKind::Stat) {
    const auto state = text.rfind(") ");
    if (asks_about_itself && state != std::string::npos) replace(text, state + 2, state + 3, "R");
    return text;
  }
  if (asks_about_itself) set_status(text, "\nState:\t", "R (running)");
  constexpr std::string_view kFilters = "\nSeccomp_filters:\t";
  const auto at = text.find(kFilters);
  if (at == std::string::npos) return text;
  const int filters = std::atoi(text.c_str() + at + kFilters.size()) - 1;
  set_status(text, kFilters, std::to_string(std::max(0, filters)));
  if (filters <= 0) set_status(text, "\nSeccomp:\t", "0");
  return text;
}

Result<std::string> text_of(const Call& call, const ProcFile& file, pid_t group) {
  const auto process = PAGEFOLD_TRY(call.supervisor.process(group, view::WithPages::No));
  const auto asker = static_cast<pid_t>(call.notification.pid);
  const pid_t shown = file.task ? *file.task : file.subject == ProcSubject::ThreadSelf ? asker : group;
  const auto host = [&](const char* name) {
    const bool one_thread = file.task || file.subject == ProcSubject::ThreadSelf;
    auto text = read_host_file(one_thread ? fmt::format("/proc/{}/task/{}/{}", group, shown, name) : fmt::format("/proc/{}/{}", group, name));
    if (text) *text = natively(std::move(*text), file.kind, shown == asker);
    return text;
  };
  switch (file.kind) {
    case ProcFileKind::Maps: return view::maps_text(process);
    case ProcFileKind::Smaps: return view::smaps_text(process);
    case ProcFileKind::SmapsRollup: return view::smaps_rollup_text(process);
    case ProcFileKind::Statm: return view::statm_text(process);
    case ProcFileKind::Status: return view::status_text(PAGEFOLD_TRY(host("status")), process);
    case ProcFileKind::Limits: return view::limits_text(PAGEFOLD_TRY(host("limits")), process);
    case ProcFileKind::Stat: return view::stat_text(PAGEFOLD_TRY(host("stat")), process);
  }
  return fail(ENOENT);
}

Result<UniqueFd> snapshot(const std::string& text) {
  const UniqueFd memory(::memfd_create("proc", MFD_CLOEXEC));
  if (!memory) return fail_errno("memfd_create");
  if (::write(memory.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return fail_errno("write a view");
  UniqueFd reader(::open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!reader) return fail_errno("open a view");
  return reader;
}

// True when the open was answered.
bool answer(const Call& call, int directory, VirtAddr path_address, std::uint64_t flags) {
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_PATH | O_DIRECTORY)) != 0) return false;
  const auto path = read_guest_string(call.space(), path_address, PATH_MAX);
  if (!path || !may_be_a_view(*path)) return false;
  const auto file = view::parse_proc_path(absolute(call, directory, *path));
  if (!file || !has_proc(call, *file)) return false;
  const pid_t group = file->subject == ProcSubject::Pid ? file->pid : call.task.group;
  if (!may_read(call, group)) return false;
  if (group != call.task.group) {
    // A child just forked may not be known before its fork is over.
    std::unique_lock lock(call.space().mutex);
    call.space().wait_for_fork(lock);
    lock.unlock();
    Workers::about_to_wait();
    call.supervisor.guests().wait_for_exec(group, kExecPatience);
  }
  const auto text = text_of(call, *file, group);
  if (!text) return false;
  const auto reader = snapshot(*text);
  return reader && call.supervisor.listener().reply_fd(call.notification.id, reader->get(), (flags & O_CLOEXEC) != 0);
}

void open_at(const Call& call, int directory, VirtAddr path, std::uint64_t flags) {
  if (open_and_truncate(call, directory, path, flags)) return;
  if (answer(call, directory, path, flags)) return;
  call.proceed();
}

}  // namespace

void on_open(const Call& call) { open_at(call, AT_FDCWD, call.argument(0), call.argument(1)); }

void on_openat(const Call& call) { open_at(call, static_cast<int>(call.argument(0)), call.argument(1), call.argument(2)); }

// A restricted lookup that would be answered here could only lead out of /proc, into links that the restriction is about:
// they are the host's.
void on_openat2(const Call& call) {
  open_how how{};
  if (call.argument(3) < sizeof how || !read_guest(call.space(), call.argument(2), &how, sizeof how)) return call.proceed();
  const auto directory = static_cast<int>(call.argument(0));
  if (open_and_truncate(call, directory, call.argument(1), how.flags, how.resolve)) return;
  if (how.resolve == 0 && answer(call, directory, call.argument(1), how.flags)) return;
  call.proceed();
}

}  // namespace pagefold::kernel
