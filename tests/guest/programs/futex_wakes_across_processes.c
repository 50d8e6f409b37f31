// A futex in shared memory is one futex for all who map it, at whatever address, private or in a file; a private
// page is another one after fork. Source: futex(2).
#include <linux/futex.h>
#include <time.h>

#include "guest.h"

static long futex(volatile int* word, int operation, int value, const struct timespec* timeout) {
  return syscall(SYS_futex, word, operation, value, timeout, 0, 0);
}

// Ping-pong between two processes through two views of one word.
static void rally(const char* title, volatile int* ours, volatile int* theirs) {
  *ours = 0;
  pid_t child = fork_child();
  volatile int* word = child ? ours : theirs;
  int mine = child == 0;
  for (int hit = 0; hit < 300; ++hit) {
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) % 2 != mine) {
      int now = __atomic_load_n(word, __ATOMIC_SEQ_CST);
      if (now % 2 != mine) futex(word, FUTEX_WAIT, now, 0);
    }
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    futex(word, FUTEX_WAKE, 1, 0);
  }
  if (mine) leave(0);
  show_end(title, child);
  printf("%d hits\n", *ours);
}

int main(void) {
  volatile int* shared = (volatile int*)map_shared(PAGE);
  rally("shared anonymous", shared, shared);
  int fd = make_file("file", PAGE);
  volatile int* one = (volatile int*)map_island(PAGE, RW, MAP_SHARED, fd, 0);
  volatile int* two = (volatile int*)map_island(PAGE, RW, MAP_SHARED, fd, 0);
  rally("a file mapped twice", one, two);
  int memory = MUST((int)syscall(SYS_memfd_create, "words", 0));
  MUST(ftruncate(memory, PAGE));
  one = (volatile int*)map_island(PAGE, RW, MAP_SHARED, memory, 0);
  two = (volatile int*)map_island(PAGE, RW, MAP_SHARED, memory, 0);
  rally("a memfd mapped twice", one, two);

  struct timespec soon = {0, 20 * 1000 * 1000};
  SHOW(futex(shared, FUTEX_WAIT, *shared + 1, 0));
  SHOW(futex(shared, FUTEX_WAIT, *shared, &soon));
  SHOW(futex((volatile int*)((char*)shared + 1), FUTEX_WAIT, 0, 0));
  SHOW(futex(shared, FUTEX_WAKE, 1, 0));
  volatile int* private = (volatile int*)map_anon(PAGE);
  SHOW(futex(private, FUTEX_WAIT_PRIVATE, 0, &soon));  // never touched before
  pid_t child = fork_child();
  if (child == 0) {
    *private = 1;
    SHOW(futex(private, FUTEX_WAKE, 1, 0));
    leave(0);
  }
  SHOW(futex(private, FUTEX_WAIT, 0, &soon));
  show_end("child", child);
  return 0;
}
