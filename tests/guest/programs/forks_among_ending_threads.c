// Three threads fork while others come and go and timers interrupt all of them; children make threads and fork as well. Every join
// ends: the kernel's last store of an ending thread meets no page that a fork has guarded. Source: fork(2), pthread_join(3).
// An argument sets the rounds, for a longer stress.
#include <sys/time.h>

#include "guest.h"

enum { FORKERS = 3, AT_ONCE = 3, DEEPEST = 2 };
static int rounds = 12;
static int forks, joins, interrupted;

static void on_signal(int number) {
  (void)number;
  __atomic_add_fetch(&interrupted, 1, __ATOMIC_RELAXED);
}

// Stores to its stack, to the heap, both, or nothing, and ends.
static void* short_lived(void* argument) {
  const long kind = (long)argument;
  volatile char deep[30000];
  if (kind & 1)
    for (size_t i = 0; i < sizeof deep; i += 3000) deep[i] = (char)kind;
  if (kind & 2) free(memset(malloc(5000), 1, 5000));
  if (kind & 4) sched_yield();
  return argument;
}

static void start(pthread_t* threads, int count, long kind) {
  for (int i = 0; i < count; ++i)
    if (pthread_create(&threads[i], NULL, short_lived, (void*)(kind + i)) != 0) _exit(40);
}

static void join(pthread_t* threads, int count) {
  for (int i = 0; i < count; ++i) {
    pthread_join(threads[i], NULL);
    __atomic_add_fetch(&joins, 1, __ATOMIC_RELAXED);
  }
}

static void await(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) _exit(41);
}

// A child, and in it its child, and so on.
static void live_as_child(int depth) {
  for (;; ++depth) {
    pthread_t threads[2];
    start(threads, 2, depth);
    const pid_t child = depth < DEEPEST ? MUST(fork()) : -1;
    if (child == 0) continue;
    join(threads, 2);
    if (child > 0) await(child);
    _exit(0);
  }
}

static void* forker(void* argument) {
  for (int round = 0; round < rounds; ++round) {
    pthread_t threads[AT_ONCE];
    start(threads, AT_ONCE, (long)argument + round);
    const pid_t child = MUST(fork());
    if (child == 0) live_as_child(round % (DEEPEST + 1));
    __atomic_add_fetch(&forks, 1, __ATOMIC_RELAXED);
    join(threads, AT_ONCE);
    await(child);
  }
  return NULL;
}

int main(int argc, char** argv) {
  if (argc > 1) rounds = atoi(argv[1]);
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_signal, .sa_flags = SA_RESTART}, NULL);
  sigaction(SIGVTALRM, &(struct sigaction){.sa_handler = on_signal}, NULL);
  setitimer(ITIMER_REAL, &(struct itimerval){{0, 700}, {0, 700}}, NULL);
  setitimer(ITIMER_VIRTUAL, &(struct itimerval){{0, 1000}, {0, 1000}}, NULL);
  pthread_t forkers[FORKERS];
  for (long i = 0; i < FORKERS; ++i)
    if (pthread_create(&forkers[i], NULL, forker, (void*)(i * 5)) != 0) return 1;
  for (int i = 0; i < FORKERS; ++i) pthread_join(forkers[i], NULL);
  setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
  printf("%d forks, %d joins, %s\n", forks, joins, interrupted > 0 ? "interrupted" : "never interrupted");
  return 0;
}
