// In a forked child the kernel's and the library's ideas agree: pid, tid, robust list, rseq's cpu number.
// Source: fork(2), clone(2) CLONE_CHILD_SETTID, rseq(2).
#include <linux/rseq.h>
#include <stddef.h>

#include "guest.h"

extern const ptrdiff_t __rseq_offset;
extern const unsigned int __rseq_size;

static volatile struct rseq* rseq_area(void) {
  return (volatile struct rseq*)((char*)__builtin_thread_pointer() + __rseq_offset);
}

// libc keeps the tid in the thread's own block: locks that know their owner tell it.
static bool library_knows_tid(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutex_lock(&mutex);
  bool right = mutex.__data.__owner == (int)syscall(SYS_gettid);
  pthread_mutex_unlock(&mutex);
  return right && gettid() == (int)syscall(SYS_gettid) && getpid() == (int)syscall(SYS_getpid);
}

// A parent on one CPU and a child on the other: each reads its own number.
static int wrong_cpus(int cpu, int reads) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) return 0;
  int wrong = 0;
  for (int i = 0; i < reads; ++i)
    wrong += sched_getcpu() != cpu || (__rseq_size && rseq_area()->cpu_id != (unsigned)cpu);
  return wrong;
}

int main(void) {
  cpu_set_t allowed;
  MUST(sched_getaffinity(0, sizeof allowed, &allowed));
  int cpus[2] = {-1, -1};
  for (int cpu = 0, found = 0; cpu < CPU_SETSIZE && found < 2; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) cpus[found++] = cpu;
  if (cpus[1] < 0) cpus[1] = cpus[0];
  CHECK(library_knows_tid());
  CHECK(__rseq_size > 0 && (int)rseq_area()->cpu_id >= 0);
  int failures = 0;
  for (int round = 0; round < 100; ++round) {
    pid_t child = MUST(fork());
    if (child == 0) _exit((wrong_cpus(cpus[1], 2000) ? 1 : 0) | (library_knows_tid() ? 0 : 2));
    int status, parent_wrong = wrong_cpus(cpus[0], 2000);
    MUST(waitpid(child, &status, 0));
    failures += status != 0 || parent_wrong || !library_knows_tid();
  }
  printf("%d of 100 forks had wrong ids or processor numbers\n", failures);

  // The tid that exit clears is the one of set_tid_address, in the child's memory alone.
  volatile int* word = (volatile int*)map_shared(PAGE);
  *word = 5;
  pid_t child = fork_child();
  if (child == 0) {
    CHECK(syscall(SYS_set_tid_address, word) == gettid());
    leave(0);
  }
  show_end("child", child);
  printf("its word: %d\n", *word);
  int* mine = (int*)map_anon(PAGE);
  *mine = 5;
  pid_t copy =
      MUST((pid_t)syscall(SYS_clone, CLONE_CHILD_SETTID | CLONE_PARENT_SETTID | SIGCHLD, 0, mine + 1, mine, 0));
  if (copy == 0) _exit(*mine == (int)syscall(SYS_gettid) ? 0 : 1);
  show_end("CLONE_CHILD_SETTID", copy);
  CHECK(*mine == 5 && mine[1] == copy);
  return 0;
}
