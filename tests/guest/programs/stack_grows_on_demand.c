// The stack grows to 7 MB by deep calls, big frames and touches far below, is inherited at fork, and is bounded by
// the limit. Source: getrlimit(2) RLIMIT_STACK; proc(5) [stack].
#include <alloca.h>

#include "guest.h"

__attribute__((noinline)) static long deep(int level) {
  volatile char frame[1000];
  frame[0] = (char)level;
  frame[999] = (char)level;
  long below = level > 0 ? deep(level - 1) : 0;
  return below + frame[0] + frame[999];
}

__attribute__((noinline)) static long wide(size_t size) {
  volatile char* block = alloca(size);
  block[0] = 'w';  // the lowest byte first: megabytes below the last touch
  block[size - 1] = 'w';
  return block[0] + block[size - 1] + block[size / 2] * 0;
}

static char alternate[64 * 1024];

static void on_overflow(int number, siginfo_t* info, void* context) {
  (void)context;
  char here;
  bool alone = &here >= alternate && &here < alternate + sizeof alternate;
  printf("overflow: SIG%s %s, %s\n", sigabbrev_np(number),
         info->si_code == SEGV_MAPERR   ? "MAPERR"
         : info->si_code == SEGV_ACCERR ? "ACCERR"
                                        : "other",
         alone ? "on the alternate stack" : "elsewhere");
  leave(9);
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
__attribute__((noinline)) static long endless(volatile long* from) {
  volatile long frame[500];
  frame[0] = *from + 1;
  return endless(frame) + frame[0];
}

int main(void) {
  // Whatever limit the test was started with, this program's is 8 MiB from its own exec on.
  struct rlimit limit;
  MUST(getrlimit(RLIMIT_STACK, &limit));
  if (limit.rlim_cur != 8 * MIB) {
    limit.rlim_cur = 8 * MIB;
    if (setrlimit(RLIMIT_STACK, &limit) != 0) skip("the stack limit cannot be 8 MiB");
    execl("/proc/self/exe", "again", (char*)0);
    return 1;
  }
  printf("deep: %ld\n", deep(6500));
  printf("wide: %ld\n", wide(7 * MIB));
  pid_t child = fork_child();
  if (child == 0) {
    printf("child deep: %ld\n", deep(6500));
    leave(0);
  }
  show_end("child", child);
  child = fork_child();
  if (child == 0) {
    struct sigaction action = {.sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, 0));
    MUST(sigaction(SIGSEGV, &action, 0));
    long start = 0;
    leave((int)endless(&start));
  }
  show_end("overflow with a handler", child);
  child = fork_child();
  if (child == 0) {
    long start = 0;
    leave((int)endless(&start));
  }
  show_end("overflow without", child);
  child = fork_child();
  if (child == 0) {
    printf("too wide: %ld\n", wide(9 * MIB));
    leave(0);
  }
  show_end("too wide", child);
  printf("deep again: %ld\n", deep(6500));
  return 0;
}
