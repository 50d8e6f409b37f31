// A lenient filter of the program's own: what it forbids fails as told, memory goes on working, children inherit it.
// Source: seccomp(2), prctl(2) PR_SET_NO_NEW_PRIVS.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "guest.h"

int main(void) {
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof program / sizeof program[0], program};
  SHOW(getpriority(PRIO_PROCESS, 0));
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
  SHOW(getpriority(PRIO_PROCESS, 0));
  char* area = map_anon(64 * PAGE);
  memset(area, 'f', 64 * PAGE);
  pid_t child = fork_child();
  if (child == 0) {
    SHOW(getpriority(PRIO_PROCESS, 0));
    CHECK(all_are(area, 64 * PAGE, 'f'));
    fflush(stdout);
    execl("/bin/echo", "echo", "exec under the filter", (char*)0);
    leave(1);
  }
  show_end("child", child);
  SHOW(munmap(area, 64 * PAGE));
  return 0;
}
