// Queries of old actions return the program's own handler, flags and mask, after fork as well, and defaults after exec.
// Source: sigaction(2), execve(2), signal(7).
#include "guest.h"

static void one(int number) { (void)number; }
static void two(int number, siginfo_t* info, void* context) { (void)number, (void)info, (void)context; }

// The kernel's view without libc: handler, flags, restorer, mask.
struct KernelAction {
  void* handler;
  unsigned long flags;
  void* restorer;
  unsigned long mask;
};

static void show(int number) {
  struct sigaction action;
  MUST(sigaction(number, 0, &action));
  const char* handler = action.sa_handler == SIG_DFL   ? "default"
                        : action.sa_handler == SIG_IGN ? "ignore"
                        : action.sa_handler == one     ? "one"
                        : action.sa_sigaction == two   ? "two"
                                                       : "something else";
  struct KernelAction raw;
  MUST(syscall(SYS_rt_sigaction, number, 0, &raw, 8));
  printf("SIG%s: %s, flags %x, mask %lx, raw %s flags %lx mask %lx\n", sigabbrev_np(number), handler, action.sa_flags,
         *(unsigned long*)&action.sa_mask, raw.handler == (void*)action.sa_handler ? "alike" : "ANOTHER", raw.flags,
         raw.mask);
}

int main(int argc, char** argv) {
  int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGHUP, SIGCHLD, SIGRTMIN + 3};
  if (argc > 1) {
    printf("-- %s\n", argv[1]);
    for (int i = 0; i < 5; ++i) show(numbers[i]);
    return 0;
  }
  for (int flags = 0; flags < 6; ++flags) {
    static const int kinds[] = {
        0, SA_RESTART, SA_NODEFER | SA_RESETHAND, SA_ONSTACK, SA_NOCLDSTOP | SA_NOCLDWAIT, SA_RESTART | SA_NODEFER};
    struct sigaction action = {.sa_flags = kinds[flags]}, old;
    sigemptyset(&action.sa_mask);
    if (flags % 2) sigaddset(&action.sa_mask, SIGINT);
    if (flags < 3)
      action.sa_handler = one;
    else
      action.sa_sigaction = two, action.sa_flags |= SA_SIGINFO;
    for (int i = 0; i < 5; ++i) {
      MUST(sigaction(numbers[i], &action, &old));
      if (flags > 0 && old.sa_handler != one && old.sa_sigaction != two) printf("the old handler is another\n");
    }
    show(SIGUSR1);
    show(SIGCHLD);
  }
  SHOW(sigaction(SIGKILL, &(struct sigaction){.sa_handler = one}, 0));
  SHOW(sigaction(SIGSTOP, &(struct sigaction){.sa_handler = SIG_IGN}, 0));
  SHOW(sigaction(99, &(struct sigaction){.sa_handler = one}, 0));
  struct KernelAction raw = {0};
  SHOW(syscall(SYS_rt_sigaction, SIGUSR1, 0, &raw, 4));
  MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = one, .sa_flags = SA_RESETHAND}, 0));
  raise(SIGUSR1);
  show(SIGUSR1);
  signal(SIGHUP, SIG_IGN);
  signal(SIGUSR2, SIG_DFL);
  pid_t child = fork_child();
  if (child == 0) {
    printf("-- child\n");
    for (int i = 0; i < 5; ++i) show(numbers[i]);
    signal(SIGTERM, SIG_IGN);
    leave(0);
  }
  show_end("child", child);
  show(SIGTERM);
  fflush(stdout);
  execl("/proc/self/exe", "again", "after exec", (char*)0);
  return 1;
}
