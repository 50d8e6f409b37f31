// A filter that admits only what it names: memory goes on working, what it does not name fails. A fork is done, or refused
// with an errno, as Pagefold's own code in a child would not survive the filter. Source: seccomp(2), fork(2).
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "guest.h"

#define ADMIT(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(void) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      ADMIT(mmap), ADMIT(munmap), ADMIT(mprotect), ADMIT(madvise), ADMIT(brk), ADMIT(write), ADMIT(newfstatat),
      ADMIT(clone), ADMIT(wait4), ADMIT(exit_group), ADMIT(set_robust_list), ADMIT(rt_sigprocmask), ADMIT(gettid),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
  };
  struct sock_fprog filter = {sizeof program / sizeof program[0], program};
  char* before = map_anon(8 * PAGE);
  memset(before, 'b', 4 * PAGE);
  printf("the filter comes\n");
  fflush(stdout);
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
  SHOW(getpriority(PRIO_PROCESS, 0));
  CHECK(all_are(before, 4 * PAGE, 'b') && all_are(before + 4 * PAGE, 4 * PAGE, 0));
  char* area = map_anon(64 * PAGE);
  memset(area, 'f', 64 * PAGE);
  SHOW(mprotect(area, PAGE, PROT_READ));
  SHOW(munmap(area, 64 * PAGE));
  fflush(stdout);
  int status = 0;
  pid_t child = fork();
  if (child == 0) _exit(all_are(before, 4 * PAGE, 'b') ? 3 : 1);
  const bool forked = child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3;
  printf("fork: %s\n", forked || (child == -1 && errno == EPERM) ? "done or refused" : "LOST");
  return 0;
}
