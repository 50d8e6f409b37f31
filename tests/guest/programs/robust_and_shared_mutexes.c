// Process-shared mutexes, condition variables and semaphores in shared memory; a robust mutex whose owner dies is
// recovered. Source: pthread_mutexattr_setrobust(3), futex(2), sem_overview(7).
#include <semaphore.h>

#include "guest.h"

struct Shared {
  pthread_mutex_t plain, robust;
  pthread_cond_t changed;
  sem_t semaphore;
  int turn;
  long counter;
};

static void initialise(struct Shared* shared) {
  pthread_mutexattr_t mutex;
  pthread_mutexattr_init(&mutex);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&shared->plain, &mutex);
  pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->robust, &mutex);
  pthread_condattr_t condition;
  pthread_condattr_init(&condition);
  pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&shared->changed, &condition);
  sem_init(&shared->semaphore, 1, 0);
}

static void count_in_four_processes(struct Shared* shared) {
  for (int i = 0; i < 4; ++i) {
    if (fork_child() != 0) continue;
    for (int n = 0; n < 5000; ++n) {
      pthread_mutex_lock(&shared->plain);
      ++shared->counter;
      pthread_mutex_unlock(&shared->plain);
    }
    leave(0);
  }
  while (wait(0) > 0) continue;
  printf("counted to %ld\n", shared->counter);
}

static void take_turns(struct Shared* shared) {
  pid_t child = fork_child();
  int mine = child == 0;
  for (int round = 0; round < 200; ++round) {
    pthread_mutex_lock(&shared->plain);
    while (shared->turn % 2 != mine) pthread_cond_wait(&shared->changed, &shared->plain);
    ++shared->turn;
    pthread_cond_broadcast(&shared->changed);
    pthread_mutex_unlock(&shared->plain);
  }
  if (mine) leave(0);
  show_end("the other player", child);
  printf("%d turns\n", shared->turn);
}

static void* die_holding(void* argument) {
  pthread_mutex_lock(&((struct Shared*)argument)->robust);
  return 0;
}

static void owner_dies(struct Shared* shared) {
  pid_t child = fork_child();
  if (child == 0) {
    pthread_mutex_lock(&shared->robust);
    kill(getpid(), SIGKILL);
  }
  show_end("the owner", child);
  printf("lock: %s\n", errno_name(pthread_mutex_lock(&shared->robust)));
  printf("consistent: %d\n", pthread_mutex_consistent(&shared->robust));
  printf("unlock: %d\n", pthread_mutex_unlock(&shared->robust));
  pthread_t thread;
  pthread_create(&thread, 0, die_holding, shared);
  pthread_join(thread, 0);
  printf("lock after a thread: %s\n", errno_name(pthread_mutex_lock(&shared->robust)));
  pthread_mutex_unlock(&shared->robust);
  printf("not made consistent: %s\n", errno_name(pthread_mutex_lock(&shared->robust)));
}

static void semaphores(struct Shared* shared) {
  pid_t child = fork_child();
  if (child == 0) {
    for (int i = 0; i < 100; ++i) sem_post(&shared->semaphore);
    leave(0);
  }
  for (int i = 0; i < 100; ++i) sem_wait(&shared->semaphore);
  show_end("poster", child);
  SHOW(sem_trywait(&shared->semaphore));
}

static void* on_page(int kind) {
  if (kind == 0) return map_shared(PAGE);
  int fd = make_file("locks", PAGE);
  MUST(ftruncate(fd, 0));
  MUST(ftruncate(fd, PAGE));
  return map_island(PAGE, RW, MAP_SHARED, fd, 0);
}

int main(void) {
  for (int kind = 0; kind < 2; ++kind) {
    printf("-- in %s\n", kind ? "a shared file" : "shared anonymous memory");
    struct Shared* shared = on_page(kind);
    initialise(shared);
    count_in_four_processes(shared);
    take_turns(shared);
    owner_dies(shared);
    semaphores(shared);
  }
  return 0;
}
