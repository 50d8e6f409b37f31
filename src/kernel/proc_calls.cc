// /proc as the program should see it: opens of the files that tell about memory (view/proc_path.h) are answered with the
// model's truth, as a snapshot in a memfd. All other opens run natively.
//
// The path is read from the guest's memory and may change under our eyes: that can only turn a view into the host's file of
// the same name, which the program may read anyway.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "kernel/calls.h"
#include "kernel/guest_memory.h"
#include "kernel/host_proc.h"
#include "view/proc_path.h"
#include "view/proc_text.h"

namespace pagefold::kernel {
namespace {

using view::ProcFile;
using view::ProcFileKind;
using view::ProcSubject;

std::string link_target(const std::string& link) {
  std::array<char, PATH_MAX> target{};
  return ::readlink(link.c_str(), target.data(), target.size() - 1) < 0 ? std::string() : std::string(target.data());
}

// The absolute path that a relative one means, as long as it leads into /proc; empty otherwise.
std::string absolute(const Call& call, int directory, const std::string& path) {
  if (path.starts_with('/')) return path;
  if (path.find('/') == std::string::npos && path != "maps" && path != "smaps" && path != "smaps_rollup" && path != "status" &&
      path != "statm" && path != "stat")
    return {};
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

Result<std::string> text_of(Supervisor& supervisor, const ProcFile& file, pid_t group) {
  const auto process = PAGEFOLD_TRY(supervisor.process(group, view::WithPages::No));
  const auto host = [&](const char* name) {
    return read_host_file(file.task ? fmt::format("/proc/{}/task/{}/{}", group, *file.task, name) : fmt::format("/proc/{}/{}", group, name));
  };
  switch (file.kind) {
    case ProcFileKind::Maps: return view::maps_text(process);
    case ProcFileKind::Smaps: return view::smaps_text(process);
    case ProcFileKind::SmapsRollup: return view::smaps_rollup_text(process);
    case ProcFileKind::Statm: return view::statm_text(process);
    case ProcFileKind::Status: return view::status_text(PAGEFOLD_TRY(host("status")), process);
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
  if (!path) return false;
  const auto file = view::parse_proc_path(absolute(call, directory, *path));
  if (!file) return false;
  const pid_t group = file->subject == ProcSubject::Pid ? file->pid : call.task.group;
  if (!may_read(call, group)) return false;
  const auto text = text_of(call.supervisor, *file, group);
  if (!text) return false;
  const auto reader = snapshot(*text);
  return reader && call.supervisor.listener().reply_fd(call.notification.id, reader->get(), (flags & O_CLOEXEC) != 0);
}

}  // namespace

void on_open(const Call& call) {
  if (!answer(call, AT_FDCWD, call.argument(0), call.argument(1))) call.proceed();
}

void on_openat(const Call& call) {
  if (!answer(call, static_cast<int>(call.argument(0)), call.argument(1), call.argument(2))) call.proceed();
}

}  // namespace pagefold::kernel
