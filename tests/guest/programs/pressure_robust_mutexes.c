// Owners of robust mutexes that end - killed, or threads that return - while the pages of their lists have been evicted, or written
// back and protected: the next owner is told (EOWNERDEAD), and one who waits is woken. Shared memory, a mapped file, private memory.
#include <time.h>

#include "guest.h"

#define MUTEXES 5
#define PRESSURE (24 * MIB)

struct Locks {
  char before[PAGE];
  struct {
    pthread_mutex_t mutex;
    char rest[2 * PAGE - sizeof(pthread_mutex_t)];
  } of[MUTEXES];
  volatile int held;
};

static void prepare(struct Locks* locks) {
  pthread_mutexattr_t robust;
  pthread_mutexattr_init(&robust);
  pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
  for (int i = 0; i < MUTEXES; ++i) pthread_mutex_init(&locks->of[i].mutex, &robust);
  locks->held = 0;
}

static void* hold(void* argument) {
  struct Locks* const locks = argument;
  for (int i = 0; i < MUTEXES; ++i) pthread_mutex_lock(&locks->of[i].mutex);
  locks->held = 1;
  return NULL;
}

// Everything that has not been touched for a while is gone after this.
static void press(void) {
  char* const memory = MUST((char*)mmap(NULL, PRESSURE, RW, ANON, -1, 0));
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < PRESSURE; i += PAGE) memory[i] = 1;
  MUST(munmap(memory, PRESSURE));
}

// Who was killed may be known to be gone a moment before its locks are marked.
static int lock_in_time(pthread_mutex_t* mutex) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 10;
  return pthread_mutex_timedlock(mutex, &end);
}

static void* wait_for_first(void* argument) { return (void*)(long)lock_in_time(&((struct Locks*)argument)->of[0].mutex); }

static void take_all(struct Locks* locks, int from) {
  for (int i = from; i < MUTEXES; ++i) {
    printf("lock %d: %s\n", i, errno_name(lock_in_time(&locks->of[i].mutex)));
    pthread_mutex_consistent(&locks->of[i].mutex);
    pthread_mutex_unlock(&locks->of[i].mutex);
  }
}

static void a_process_is_killed(struct Locks* locks) {
  prepare(locks);
  const pid_t owner = fork_child();
  if (owner == 0) {
    hold(locks);
    for (;;) pause();
  }
  while (!locks->held) usleep(1000);
  pthread_t waiter;
  pthread_create(&waiter, NULL, wait_for_first, locks);
  usleep(20000);
  press();
  MUST(kill(owner, SIGKILL));
  show_end("the owner", owner);
  void* waited = NULL;
  pthread_join(waiter, &waited);
  printf("waited: %s\n", errno_name((int)(long)waited));
  take_all(locks, 1);
}

static volatile bool may_end;
static void* hold_and_end(void* argument) {
  hold(argument);
  while (!may_end) usleep(1000);
  return NULL;
}

static void a_thread_ends(struct Locks* locks) {
  prepare(locks);
  may_end = false;
  pthread_t owner;
  pthread_create(&owner, NULL, hold_and_end, locks);
  while (!locks->held) usleep(1000);
  const pid_t child = fork_child();  // its parent's pages are guarded
  if (child == 0) _exit(0);
  press();
  may_end = true;
  pthread_join(owner, NULL);
  take_all(locks, 0);
  show_end("a child", child);
}

int main(void) {
  const int file = make_file("locks", sizeof(struct Locks));
  struct Locks* const kinds[] = {(struct Locks*)map_shared(sizeof(struct Locks)),
                                 (struct Locks*)map_island(sizeof(struct Locks), RW, MAP_SHARED, file, 0),
                                 (struct Locks*)map_anon(sizeof(struct Locks))};
  for (int kind = 0; kind < 3; ++kind) {
    printf("-- kind %d\n", kind);
    if (kind < 2) a_process_is_killed(kinds[kind]);
    a_thread_ends(kinds[kind]);
  }
  return 0;
}
