#include "kernel/process/host_proc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
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

namespace {

// One line of /proc/PID/maps: start-end rwxp offset device inode name.
std::optional<HostMapping> parse_mapping(const char* line, const char* end) {
  HostMapping m;
  char* at = nullptr;
  m.range.start = std::strtoul(line, &at, 16);
  if (*at != '-') return std::nullopt;
  m.range.end = std::strtoul(at + 1, &at, 16);
  constexpr std::ptrdiff_t kPermissions = 6;  // with the blanks around them
  if (end - at < kPermissions || at[0] != ' ' || at[5] != ' ') return std::nullopt;
  m.read = at[1] == 'r';
  m.write = at[2] == 'w';
  m.execute = at[3] == 'x';
  m.shared = at[4] == 's';
  m.offset = std::strtoul(at + kPermissions, &at, 16);
  const char* const device = *at == ' ' ? at + 1 : end;
  const char* const inode = std::find(device, end, ' ');
  if (inode == end) return std::nullopt;
  m.inode = std::strtoul(inode, &at, 10);
  m.name.assign(std::find_if(static_cast<const char*>(at), end, [](char c) { return c != ' '; }), end);
  return m;
}

}  // namespace

Result<std::vector<HostMapping>> host_mappings(pid_t pid) {
  const std::string text = PAGEFOLD_TRY(read_host_file(fmt::format("/proc/{}/maps", pid)));
  std::vector<HostMapping> mappings;
  const char* const last = text.data() + text.size();
  for (const char* line = text.data(); line < last;) {
    const char* const end = std::find(line, last, '\n');
    auto m = parse_mapping(line, end);
    if (!m) return fail(EPROTO, "parse /proc/PID/maps");
    if (m->range.end <= kUserTop) mappings.push_back(std::move(*m));
    line = end + 1;
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
  std::size_t at = close + 2;
  for (unsigned field = 3; field < n; ++field) {
    at = text->find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  return std::strtoull(text->c_str() + at, nullptr, 10);
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
