// What is read rather than tried: the kernel's version and limits. And cgroup v2, which ends all guests at once when the supervisor dies; on
// hybrid systems it is not at /sys/fs/cgroup, so its place is taken from /proc/self/mountinfo (proc_pid_mountinfo(5)).
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

#include "host/probes.h"

namespace pagefold::host {
namespace {

Result<std::string> read_text(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail_errno("open " + path);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr == text.data() + i + 4) {
      plain += static_cast<char>(value);
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

struct Cgroup2Mount {
  std::string root;   // the cgroup that is mounted
  std::string point;  // where
};

Result<Cgroup2Mount> find_cgroup2_mount(const std::string& mountinfo) {
  constexpr std::size_t kRoot = 3;
  constexpr std::size_t kPoint = 4;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    const std::vector<std::string> left = words_of(line.substr(0, separator));
    const std::vector<std::string> right = words_of(line.substr(separator + 3));
    if (left.size() > kPoint && !right.empty() && right[0] == "cgroup2") {
      return Cgroup2Mount{unescape(left[kRoot]), unescape(left[kPoint])};
    }
  }
  return fail(ENOENT, "no cgroup v2 in /proc/self/mountinfo");
}

Result<std::string> own_cgroup_path(const std::string& cgroup) {
  std::istringstream lines(cgroup);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("0::")) return line.substr(3);
  }
  return fail(ENOENT, "no cgroup v2 in /proc/self/cgroup");
}

}  // namespace

Result<KernelVersion> parse_kernel_version(const std::string& release) {
  KernelVersion version;
  version.release = release;
  const char* end = release.data() + release.size();
  const auto major = std::from_chars(release.data(), end, version.major);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return fail(EINVAL, release);
  if (std::from_chars(major.ptr + 1, end, version.minor).ec != std::errc{}) return fail(EINVAL, release);
  return version;
}

Result<KernelVersion> kernel_version() {
  utsname name{};
  if (::uname(&name) != 0) return fail_errno("uname");
  return parse_kernel_version(name.release);
}

Result<std::string> own_cgroup2(const std::string& mountinfo, const std::string& cgroup) {
  const Cgroup2Mount mount = PAGEFOLD_TRY(find_cgroup2_mount(mountinfo));
  std::string path = PAGEFOLD_TRY(own_cgroup_path(cgroup));
  if (mount.root != "/") {
    // Only a part of the hierarchy is mounted here; our cgroup is reachable when it lies in that part.
    if (path != mount.root && !path.starts_with(mount.root + "/")) return fail(ENOENT, "cgroup " + path);
    path.erase(0, mount.root.size());
  }
  if (path.empty() || path == "/") return mount.point;
  return mount.point + path;
}

Result<std::string> own_cgroup2() {
  return own_cgroup2(PAGEFOLD_TRY(read_text("/proc/self/mountinfo")), PAGEFOLD_TRY(read_text("/proc/self/cgroup")));
}

Result<void> probe_cgroup2(const std::string& directory) {
  // Not named by pid: other pid namespaces share the hierarchy.
  std::string probe = directory + "/pagefold-probe-XXXXXX";
  if (::mkdtemp(probe.data()) == nullptr) return fail_errno("make a cgroup in " + directory);
  const std::string kill_file = probe + "/cgroup.kill";
  const int code = ::access(kill_file.c_str(), W_OK) == 0 ? 0 : errno;
  ::rmdir(probe.c_str());
  if (code != 0) return fail(code, kill_file);
  // Moving a guest needs the right to write to the common ancestor's cgroup.procs.
  const std::string procs = directory + "/cgroup.procs";
  if (::access(procs.c_str(), W_OK) != 0) return fail_errno(procs);
  return {};
}

Result<unsigned long> open_files_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail_errno("getrlimit");
  return limit.rlim_max;
}

Result<long> read_sysctl(const std::string& path) {
  const std::string text = PAGEFOLD_TRY(read_text(path));
  long value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return fail(EINVAL, path);
  return value;
}

}  // namespace pagefold::host
