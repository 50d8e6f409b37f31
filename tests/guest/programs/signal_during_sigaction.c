// A signal that comes while a handler is being changed meets the old handler or one whose setter knows what it replaced; in between
// lie nanoseconds at most. Shells keep the old handler in a variable that the new one uses. Source: sigaction(2).
#include <sys/time.h>

#include "guest.h"

enum { kRounds = 4000 };
static volatile int current, ticks, early;

static void met(int handler) {
  ++ticks;
  if (current != handler) ++early;
}
static void one(int number) { (void)number, met(1); }
static void two(int number) { (void)number, met(2); }

static void change(int to) {
  struct sigaction action = {.sa_handler = to == 1 ? one : two}, old;
  MUST(sigaction(SIGALRM, &action, &old));
  current = to;
}

int main(void) {
  change(1);
  struct itimerval often = {{0, 200}, {0, 200}}, never = {0};
  MUST(setitimer(ITIMER_REAL, &often, NULL));
  for (int i = 0; i < kRounds || ticks < 200; ++i) change(1 + i % 2);
  MUST(setitimer(ITIMER_REAL, &never, NULL));
  CHECK(early * 20 < kRounds);
  // What a change finds is not lost with the default action, either.
  MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL));
  MUST(setitimer(ITIMER_REAL, &often, NULL));
  for (int i = 0; i < 200; ++i) {
    MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = one}, NULL));
    MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_IGN}, NULL));
  }
  MUST(setitimer(ITIMER_REAL, &never, NULL));
  pid_t child = MUST(fork());
  if (child == 0) {
    MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_DFL}, NULL));
    MUST(setitimer(ITIMER_REAL, &often, NULL));
    for (;;) {
      MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = one}, NULL));
      MUST(sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_DFL}, NULL));
    }
  }
  int status = 0;
  MUST(waitpid(child, &status, 0));
  printf("the child was ended by signal %d\n", WTERMSIG(status));
  return 0;
}
