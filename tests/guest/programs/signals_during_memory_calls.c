// A timer signal every 200 us while the program maps, touches, unmaps, forks: no call fails, no byte is lost, the
// interrupted ones restart. Source: signal(7), Interruption of system calls; setitimer(2).
#include <sys/time.h>

#include "guest.h"

static volatile long ticks;
static char* volatile touched_by_handler;

static void tick(int number) {
  (void)number;
  ++ticks;
  touched_by_handler[(size_t)(ticks % 500) * PAGE] += 1;  // a fault inside the handler, too
}

static long work(int rounds) {
  long failures = 0;
  for (int i = 0; i < rounds; ++i) {
    char* area = mmap(0, 8 * PAGE, RW, ANON, -1, 0);
    if (area == MAP_FAILED) {
      ++failures;
      continue;
    }
    area[(size_t)(i % 8) * PAGE] = (char)i;
    failures += area[(size_t)(i % 8) * PAGE] != (char)i;
    failures += mprotect(area, 4 * PAGE, PROT_READ) != 0;
    failures += madvise(area + 4 * PAGE, PAGE, MADV_DONTNEED) != 0;
    if (i % 50 == 0) {
      char* moved = mremap(area + 4 * PAGE, 4 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
      failures += moved == MAP_FAILED || munmap(moved, 16 * PAGE) != 0 || munmap(area, 4 * PAGE) != 0;
    } else {
      failures += munmap(area, 8 * PAGE) != 0;
    }
    if (i % 1000 == 0) {
      int status;
      pid_t child = fork();
      if (child == 0) _exit(3);
      failures += waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3;
    }
  }
  return failures;
}

int main(void) {
  for (int flags = 0; flags < 2; ++flags) {
    touched_by_handler = map_anon(500 * PAGE);
    ticks = 0;
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART | (flags ? SA_NODEFER : 0)};
    MUST(sigaction(SIGALRM, &action, 0));
    struct itimerval every = {{0, 200}, {0, 200}}, never = {0};
    MUST(setitimer(ITIMER_REAL, &every, 0));
    long failures = work(10000);
    while (ticks < 20) continue;
    MUST(setitimer(ITIMER_REAL, &never, 0));
    CHECK(ticks >= 20);
    printf("%ld failures\n", failures);
  }
  return 0;
}
