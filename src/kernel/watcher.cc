#include "kernel/watcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace pagefold::kernel {
namespace {

// Where cgroup2 is mounted; on hybrid systems beside the old hierarchies.
std::string cgroup_mount() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos || !line.substr(dash + 3).starts_with("cgroup2 ")) continue;
    std::istringstream fields(line);
    std::string skip, mount_point;
    fields >> skip >> skip >> skip >> skip >> mount_point;
    return mount_point;
  }
  return {};
}

// The supervisor's own group below that mount: a delegated group works for an ordinary user, too.
std::string own_group() {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);)
    if (line.starts_with("0::")) return line.substr(3);
  return "/";
}

void wait_until_empty(int events) {
  std::array<char, 256> text{};
  for (int tries = 0; tries < 500; ++tries) {
    const ssize_t n = ::pread(events, text.data(), text.size() - 1, 0);
    if (n <= 0) return;
    text[static_cast<std::size_t>(n)] = 0;
    if (std::string_view(text.data()).find("populated 0") != std::string_view::npos) return;
    pollfd changed{events, POLLPRI, 0};
    ::poll(&changed, 1, 10);
  }
}

void kill_group(int kill_fd, int events) {
  (void)!::write(kill_fd, "1", 1);
  wait_until_empty(events);
}

}  // namespace

Result<void> Watcher::start() {
  const std::string mount = cgroup_mount();
  if (mount.empty()) return fail(ENOENT, "no cgroup v2 is mounted");
  for (const std::string& parent : {mount + own_group(), mount}) {
    // Process ids are not unique where runs in several pid namespaces share the hierarchy.
    directory_ = fmt::format("{}/pagefold-{}-XXXXXX", parent, ::getpid());
    if (::mkdtemp(directory_.data()) != nullptr) break;
    const int error = errno;
    directory_.clear();
    if (parent == mount) return fail(error, "make a cgroup below " + mount);
  }
  group_.reset(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  kill_.reset(::open((directory_ + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  events_.reset(::open((directory_ + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  // Shared with the watcher (CLONE_FILES), so it stays open as long as this object.
  supervisor_.reset(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!group_ || !kill_ || !events_ || !supervisor_) return fail_errno("open " + directory_);

  pid_ = static_cast<pid_t>(::syscall(SYS_clone, CLONE_FILES, nullptr, nullptr, nullptr, nullptr));
  if (pid_ < 0) return fail_errno("start the watcher");
  if (pid_ == 0) {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    ::setsid();
    ::prctl(PR_SET_NAME, "pagefold-watch");
    const int oom = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0) {
      (void)!::write(oom, "-1000", 5);
      ::close(oom);
    }
    pollfd death{supervisor_.get(), POLLIN, 0};
    while (::poll(&death, 1, -1) != 1) {
    }
    kill_group(kill_.get(), events_.get());
    ::rmdir(directory_.c_str());
    ::_exit(0);
  }
  return {};
}

pid_t Watcher::fork_into() const {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  if (group_) {
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(group_.get());
  }
  return static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
}

void Watcher::end_guests() const {
  if (kill_) kill_group(kill_.get(), events_.get());
}

void Watcher::finish() {
  if (pid_ <= 0) return;
  end_guests();
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  ::rmdir(directory_.c_str());
}

}  // namespace pagefold::kernel
