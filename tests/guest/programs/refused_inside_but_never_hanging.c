// What a guest may be refused: a tracer, an own strict filter, io_uring, userfaultfd. Each way it ends, it ends soon,
// with success or an errno that programs are prepared for. Source: ptrace(2), seccomp(2), io_uring_setup(2).
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "guest.h"

static bool expected(int code) {
  return code == EPERM || code == EBUSY || code == ENOSYS || code == EINVAL || code == EACCES;
}

static void handled(const char* title, bool right) { printf("%s: %s\n", title, right ? "handled" : "NOT HANDLED"); }

// PTRACE_TRACEME as a debugger's child does: it stops for its parent, or is refused.
static void tracer_inside(void) {
  pid_t child = fork_child();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) _exit(expected(errno) ? 10 : 1);
    raise(SIGSTOP);
    _exit(11);
  }
  int status;
  MUST(waitpid(child, &status, WUNTRACED));
  while (WIFSTOPPED(status)) {
    if (ptrace(PTRACE_CONT, child, 0, 0) != 0) kill(child, SIGCONT);
    MUST(waitpid(child, &status, WUNTRACED));
  }
  handled("a tracer inside", WIFEXITED(status) && WEXITSTATUS(status) >= 10);
}

static void strict_mode(void) {
  pid_t child = fork_child();
  if (child == 0) {
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(expected(errno) ? 10 : 1);
    syscall(SYS_exit, 11);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  handled("strict mode", WIFEXITED(status) && WEXITSTATUS(status) >= 10);
}

static void io_uring(void) {
  char parameters[120] = {0};
  long fd = syscall(425, 4, parameters);
  handled("io_uring", fd >= 0 || expected(errno));
}

static void user_faults(void) {
  long fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  handled("userfaultfd", fd >= 0 || expected(errno));
}

int main(void) {
  alarm(8);
  tracer_inside();
  strict_mode();
  io_uring();
  user_faults();
  return 0;
}
