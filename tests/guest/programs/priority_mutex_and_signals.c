// A lock that hands on priority is waited for through signals: FUTEX_LOCK_PI never returns EINTR, and libc relies on it.
// Source: futex(2), kernel/futex/pi.c (ERESTARTNOINTR), pthread_mutexattr_setprotocol(3).
#include <linux/futex.h>
#include <sys/time.h>

#include "guest.h"

static pthread_mutex_t mutex;
static volatile long ticks;
static volatile bool held;
static int word;

static void tick(int signal) {
  (void)signal;
  ++ticks;
}

static void* hold(void* started) {
  pthread_mutex_lock(&mutex);
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  held = true;
  *(volatile bool*)started = true;
  const long until = ticks + 20;
  while (ticks < until) usleep(100);
  held = false;
  pthread_mutex_unlock(&mutex);
  return NULL;
}

int main(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) != 0) skip("no locks that hand on priority");
  pthread_mutex_init(&mutex, &attributes);
  struct sigaction action = {.sa_handler = tick};
  MUST(sigaction(SIGALRM, &action, NULL));
  struct itimerval often = {{0, 1000}, {0, 1000}};
  MUST(setitimer(ITIMER_REAL, &often, NULL));
  for (int round = 0; round < 5; ++round) {
    pthread_t holder;
    volatile bool started = false;
    pthread_create(&holder, NULL, hold, (void*)&started);
    while (!started) usleep(100);
    printf("lock: %d", pthread_mutex_lock(&mutex));
    printf(", %s, unlock: %d\n", held ? "although another has it" : "alone", pthread_mutex_unlock(&mutex));
    pthread_join(holder, NULL);
  }
  // Another wait of the same call is interrupted, as natively.
  SHOW(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0));
  CHECK(ticks >= 100);
  return 0;
}
