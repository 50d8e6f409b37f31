// Queued signals keep their order and values, masks hold, sigwaitinfo and signalfd take them, alternate stacks nest,
// the context may be changed. Source: sigqueue(3), signalfd(2), sigaltstack(2), getcontext(3).
#include <sys/signalfd.h>
#include <ucontext.h>

#include "guest.h"

static volatile int got[16], count;
static void take(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  got[count++ % 16] = info->si_value.sival_int;
}

// Skips the two-byte instruction that was bad and gives it a result.
static void step_over(int number, siginfo_t* info, void* context) {
  (void)number, (void)info;
  ucontext_t* machine = context;
  machine->uc_mcontext.gregs[REG_RIP] += 3;
  machine->uc_mcontext.gregs[REG_RAX] = 1234;
}

static volatile int depth;
static void nested(int number) {
  ++depth;
  if (number == SIGUSR1) raise(SIGUSR2);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
  int real_time = SIGRTMIN + 2;
  MUST(sigaction(real_time, &action, 0));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, real_time);
  sigprocmask(SIG_BLOCK, &set, 0);
  for (int i = 0; i < 8; ++i) MUST(sigqueue(getpid(), real_time, (union sigval){.sival_int = i * i}));
  printf("held back: %d\n", count);
  siginfo_t info;
  SHOW(sigwaitinfo(&set, &info) == real_time);
  printf("first: %d, code %d\n", info.si_value.sival_int, info.si_code);
  int fd = MUST(signalfd(-1, &set, 0));
  struct signalfd_siginfo* taken = (struct signalfd_siginfo*)map_anon(PAGE);
  SHOW(read(fd, taken, sizeof *taken) == sizeof *taken);
  printf("second: %d\n", taken->ssi_int);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  for (int i = 0; i < count; ++i) printf("%d ", got[i]);
  printf("in all %d\n", count);

  action.sa_sigaction = step_over;
  MUST(sigaction(SIGSEGV, &action, 0));
  char* none = map_island(PAGE, PROT_NONE, ANON, -1, 0);
  long result;
  __asm__ volatile("mov (%1), %0" : "=a"(result) : "r"(none) : "memory");
  printf("stepped over: %ld\n", result);

  static char alternate[64 * 1024];
  MUST(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = sizeof alternate}, 0));
  stack_t now;
  MUST(sigaltstack(0, &now));
  CHECK(now.ss_sp == alternate && now.ss_size == sizeof alternate && now.ss_flags == 0);
  SHOW(sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 100}, 0));
  MUST(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nested, .sa_flags = SA_ONSTACK}, 0));
  MUST(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = nested, .sa_flags = SA_ONSTACK}, 0));
  raise(SIGUSR1);
  printf("nested to %d\n", depth);
  for (int number = SIGTERM; number; number = number == SIGTERM ? SIGABRT : 0) {
    pid_t child = fork_child();
    if (child == 0) {
      raise(number);
      leave(0);
    }
    show_end("by itself", child);
  }
  return 0;
}
