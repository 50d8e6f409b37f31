// What the supervisor does to its guests - stop them with ptrace, take descriptors out of them, compare kernel objects - tried on a
// child that waits to be killed.
#include <linux/kcmp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/probes.h"

namespace pagefold::host {
namespace {

class WaitingChild {
 public:
  WaitingChild() : pid_(::fork()) {
    if (pid_ == 0) {
      for (;;) ::pause();
    }
  }
  ~WaitingChild() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  WaitingChild(const WaitingChild&) = delete;
  WaitingChild& operator=(const WaitingChild&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

Result<void> try_seize(pid_t child) {
  if (::ptrace(PTRACE_SEIZE, child, nullptr, nullptr) != 0) return fail_errno("PTRACE_SEIZE");
  if (::ptrace(PTRACE_INTERRUPT, child, nullptr, nullptr) != 0) return fail_errno("PTRACE_INTERRUPT");
  int status = 0;
  while (::waitpid(child, &status, __WALL) < 0) {
    if (errno != EINTR) return fail_errno("waitpid");
  }
  if (!WIFSTOPPED(status)) return fail(ESRCH, "the traced child did not stop");
  return {};
}

Result<void> try_getfd(pid_t child, int fd) {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!pidfd) return fail_errno("pidfd_open");
  const UniqueFd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0)));
  if (!taken) return fail_errno("pidfd_getfd");
  return {};
}

Result<void> try_kcmp(pid_t child, int fd) {
  const long order = ::syscall(SYS_kcmp, ::getpid(), child, KCMP_FILE, fd, fd);
  if (order < 0) return fail_errno("kcmp");
  if (order != 0) return fail(EINVAL, "kcmp sees two files in one");
  return {};
}

}  // namespace

Result<ChildProbe> probe_child() {
  int ends[2];
  if (::pipe2(ends, 0) != 0) return fail_errno("pipe");
  const UniqueFd inherited(ends[0]);
  const UniqueFd other_end(ends[1]);
  const WaitingChild child;
  if (child.pid() < 0) return fail_errno("fork");
  return ChildProbe{try_seize(child.pid()), try_getfd(child.pid(), inherited.get()),
                    try_kcmp(child.pid(), inherited.get())};
}

}  // namespace pagefold::host
