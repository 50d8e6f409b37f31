// seccomp user notification: the way by which system calls come to the supervisor. A filter cannot be taken off again, so
// it is tried in a child that ends at once.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/probes.h"

namespace pagefold::host {
namespace {

// Newer than the headers of Debian 12 (Linux 6.1).
constexpr unsigned long kIoctlSetFlags = SECCOMP_IOW(4, std::uint64_t);
constexpr std::uint64_t kSyncWakeUp = 1;

// The child's answer is its exit code: kInstalled plus the bits of what works, or the errno of a filter that was refused
// (errnos are below kInstalled).
constexpr int kInstalled = 0x80;
constexpr int kAddFd = 1;
constexpr int kWaitKillable = 2;
constexpr int kSyncWake = 4;

int install_listener(unsigned flags) {
  sock_filter allow_all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const sock_fprog program{1, &allow_all};
  return static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &program));
}

int probe_in_child() {
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  int works = kInstalled | kWaitKillable;
  int listener = install_listener(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (listener < 0 && errno == EINVAL) {
    works = kInstalled;
    listener = install_listener(0);
  }
  if (listener < 0) return errno & ~kInstalled;

  // No notification is pending: a kernel that knows the request answers ENOENT, one that does not EINVAL.
  seccomp_notif_addfd request{};
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request) != 0 && errno == ENOENT) works |= kAddFd;
  if (::ioctl(listener, kIoctlSetFlags, kSyncWakeUp) == 0) works |= kSyncWake;
  return works;
}

}  // namespace

Result<void> probe_seccomp_notify() {
  const std::uint32_t action = SECCOMP_RET_USER_NOTIF;
  if (::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return fail_errno("seccomp user notification");
  return {};
}

Result<SeccompProbe> probe_seccomp_listener() {
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) ::_exit(probe_in_child());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno("waitpid");
  }
  if (!WIFEXITED(status)) return fail(EPERM, "the child that installed a seccomp filter was killed");
  const int answer = WEXITSTATUS(status);
  if ((answer & kInstalled) == 0) return fail(answer, "seccomp filter with a listener");
  return SeccompProbe{(answer & kAddFd) != 0, (answer & kWaitKillable) != 0, (answer & kSyncWake) != 0};
}

}  // namespace pagefold::host
