// A handler without SA_RESTART makes slow calls return EINTR and never mmap, munmap, mprotect, brk, open of a plain
// file. Source: signal(7). A call that Pagefold traps may show it three times in 10,000 (bar: once; timers jitter).
#include <sys/time.h>

#include "guest.h"

static volatile long ticks;
static void tick(int number) { ticks += number == SIGALRM; }

static void memory_calls(long wanted_ticks) {
  long interrupted = 0, failed = 0, rounds = 0;
  while (ticks < wanted_ticks) {
    ++rounds;
    char* area = mmap(0, 2 * PAGE, RW, ANON, -1, 0);
    if (area == MAP_FAILED) {
      ++*(errno == EINTR ? &interrupted : &failed);
      continue;
    }
    area[0] = 1;
    if (mprotect(area, PAGE, PROT_READ) != 0) ++*(errno == EINTR ? &interrupted : &failed);
    if (munmap(area, 2 * PAGE) != 0) ++*(errno == EINTR ? &interrupted : &failed);
  }
  CHECK(interrupted * 10000 <= 3 * rounds);
  printf("%ld failed in another way\n", failed);
}

int main(void) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = 0}, old;
  MUST(sigaction(SIGALRM, &action, 0));
  struct itimerval every = {{0, 500}, {0, 500}}, never = {0}, once = {{0, 0}, {0, 50000}};
  MUST(setitimer(ITIMER_REAL, &every, 0));
  memory_calls(1000);
  MUST(setitimer(ITIMER_REAL, &never, 0));

  // Slow calls do tell.
  int ends[2];
  char byte;
  MUST(pipe(ends));
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(read(ends[0], &byte, 1));
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(pause());
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(usleep(5000000));
  pid_t child = fork_child();
  if (child == 0) {
    pause();
    _exit(0);
  }
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(waitpid(child, 0, 0));
  kill(child, SIGKILL);
  show_end("child", child);

  // With SA_RESTART the read goes on until the byte comes.
  action.sa_flags = SA_RESTART;
  MUST(sigaction(SIGALRM, &action, &old));
  CHECK(old.sa_handler == tick && old.sa_flags == (old.sa_flags & 0x04000000));
  child = fork_child();
  if (child == 0) {
    usleep(200000);
    MUST(write(ends[1], "b", 1));
    _exit(0);
  }
  long before = ticks;
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(read(ends[0], &byte, 1));
  CHECK(ticks == before + 1 && byte == 'b');
  show_end("writer", child);
  return 0;
}
