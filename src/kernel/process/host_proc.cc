#include "kernel/process/host_proc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <sstream>

#include "base/fd.h"

namespace pagefold::kernel {

Result<std::string> read_host_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path);
  std::string text;
  std::array<char, 16384> part;
  for (;;) {
    const ssize_t n = ::read(fd.get(), part.data(), part.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path);
    if (n == 0) return text;
    text.append(part.data(), static_cast<std::size_t>(n));
  }
}

Result<std::vector<HostMapping>> host_mappings(pid_t pid) {
  const std::string text = PAGEFOLD_TRY(read_host_file(fmt::format("/proc/{}/maps", pid)));
  std::vector<HostMapping> mappings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    HostMapping m;
    std::array<char, 5> permissions{};
    unsigned long start = 0, end = 0, offset = 0, inode = 0;
    int name_at = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %lx %*s %lu %n", &start, &end, permissions.data(), &offset, &inode, &name_at) < 5)
      return fail(EPROTO, "parse /proc/PID/maps");
    if (end > kUserTop) continue;
    m.range = {start, end};
    m.read = permissions[0] == 'r';
    m.write = permissions[1] == 'w';
    m.execute = permissions[2] == 'x';
    m.shared = permissions[3] == 's';
    m.offset = offset;
    m.inode = inode;
    m.name = line.substr(static_cast<std::size_t>(name_at));
    mappings.push_back(std::move(m));
  }
  return mappings;
}

UniqueFd open_memory(pid_t pid) { return UniqueFd(::open(fmt::format("/proc/{}/mem", pid).c_str(), O_RDWR | O_CLOEXEC)); }

namespace {

std::optional<std::string> field_of(const std::string& status, const char* field) {
  const auto at = status.find(fmt::format("\n{}", field));
  if (at == std::string::npos) return std::nullopt;
  const auto from = status.find_first_not_of(" \t", at + 1 + std::string_view(field).size());
  const auto to = status.find('\n', from);
  return status.substr(from, to - from);
}

// linux/pidfd.h of Linux 6.13: the kernel says what a pidfd is of, which takes a tenth of the time of its text.
struct PidfdInfo {
  std::uint64_t mask, cgroup;
  std::uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, spare;
};
constexpr unsigned kPidfdThread = O_EXCL;
constexpr std::uint64_t kPidfdInfoPid = 1;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);

}  // namespace

std::optional<HostFamily> host_family(pid_t tid) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, tid, kPidfdThread)));
  PidfdInfo info{};
  info.mask = kPidfdInfoPid;
  if (pidfd && ::ioctl(pidfd.get(), kPidfdGetInfo, &info) == 0 && info.tgid != 0)
    return HostFamily{static_cast<pid_t>(info.tgid), static_cast<pid_t>(info.ppid)};
  const auto status = read_host_file(fmt::format("/proc/{}/status", tid));
  if (!status) return std::nullopt;
  const auto group = field_of(*status, "Tgid:"), parent = field_of(*status, "PPid:");
  if (!group || !parent) return std::nullopt;
  return HostFamily{std::stoi(*group), std::stoi(*parent)};
}

std::optional<std::string> host_status_field(pid_t tid, const char* field) {
  const auto text = read_host_file(fmt::format("/proc/{}/status", tid));
  return text ? field_of(*text, field) : std::nullopt;
}

Bytes host_limit(pid_t pid, std::string_view name) {
  const auto text = read_host_file(fmt::format("/proc/{}/limits", pid));
  const auto at = text ? text->find(name) : std::string::npos;
  if (at == std::string::npos) return RLIM_INFINITY;
  std::istringstream words(text->substr(at + name.size()));
  std::string soft;
  words >> soft;
  return soft == "unlimited" ? RLIM_INFINITY : std::strtoull(soft.c_str(), nullptr, 10);
}

std::optional<std::uint64_t> host_stat_field(pid_t pid, unsigned n) {
  const auto text = read_host_file(fmt::format("/proc/{}/stat", pid));
  if (!text) return std::nullopt;
  // The command in parentheses may hold anything; fields are counted after its end.
  const auto close = text->rfind(')');
  if (close == std::string::npos || n < 3) return std::nullopt;
  std::istringstream fields(text->substr(close + 2));
  std::string value;
  for (unsigned field = 3; field <= n; ++field)
    if (!(fields >> value)) return std::nullopt;
  return std::stoull(value);
}

std::string host_call_of(pid_t tid) {
  const std::string path = fmt::format("/proc/{}/syscall", tid);
  auto text = read_host_file(path);
  // A thread may be heard of before it sleeps; until then the host says no more than that it is running.
  constexpr int kTries = 2000;
  for (int i = 0; i < kTries && text && text->starts_with("running"); ++i) {
    ::usleep(20);
    text = read_host_file(path);
  }
  return text ? std::move(*text) : std::string();
}

std::optional<VirtAddr> host_stack_pointer(pid_t tid) {
  const std::string text = host_call_of(tid);
  // number, six arguments, stack pointer, instruction pointer
  unsigned long pointer = 0;
  if (std::sscanf(text.c_str(), "%*d %*x %*x %*x %*x %*x %*x %lx", &pointer) != 1) return std::nullopt;
  return pointer;
}

}  // namespace pagefold::kernel
