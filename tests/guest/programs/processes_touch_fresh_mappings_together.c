// Processes that share their memory without being threads of one (clone with CLONE_VM alone) touch a mapping for the first time at
// the same moment, and all find the file's bytes. Source: clone(2), mmap(2).
#include "fresh_file.h"

enum { PROCESSES = 3, ROUNDS = 120, STACK = 64 * 1024 };
static char* volatile map;
static char stacks[PROCESSES][STACK] __attribute__((aligned(16)));
static int wrong, there, gone;

// They share the thread-local data, too, so they call nothing that uses errno.
static void wait_for(const int* counter, int value) {
  while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) < value) sched_yield();
}

static int reader(void* argument) {
  const int id = (int)(intptr_t)argument;
  for (int round = 1; round <= ROUNDS; ++round) {
    wait_for(&there, round);
    for (int i = 0; i < PAGES; ++i) {
      const int page = (i + id * (PAGES / PROCESSES)) % PAGES;
      if (map[(size_t)page * PAGE + 7] != byte_of(page)) __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
    }
    __atomic_add_fetch(&gone, 1, __ATOMIC_RELEASE);
  }
  return 0;
}

int main(void) {
  static const int kinds[][2] = {{PROT_READ, MAP_PRIVATE}, {RW, MAP_PRIVATE}, {PROT_READ, MAP_SHARED}};
  for (int i = 0; i < PROCESSES; ++i)
    MUST(clone(reader, stacks[i] + STACK, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, (void*)(intptr_t)i));
  for (int round = 1; round <= ROUNDS; ++round) {
    write_file("fresh");
    int fd = MUST(open("fresh", O_RDONLY));
    const int* kind = kinds[round % 3];
    map = MUST(mmap(0, PAGES * PAGE, kind[0], kind[1], fd, 0));
    close(fd);
    __atomic_store_n(&there, round, __ATOMIC_RELEASE);
    wait_for(&gone, round * PROCESSES);
    MUST(munmap(map, PAGES * PAGE));
    MUST(unlink("fresh"));
  }
  for (int i = 0; i < PROCESSES; ++i) MUST(wait(0));
  SHOW(wrong);
  return 0;
}
