// A tree of 60 processes alive at once; each alters its own copy of a page and adds to a shared one. Source: fork(2).
#include "guest.h"

static volatile int* shared;
static char* private;

// Each process has up to three children until sixty numbers are given out.
static void node(int number) {
  private[0] = (char)number;
  private[(size_t)(number % 16) * PAGE + 1] = (char)number;
  __atomic_add_fetch(&shared[0], 1, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&shared[1], number, __ATOMIC_SEQ_CST);
  pid_t children[3] = {0};
  for (int i = 0; i < 3 && 3 * number + i + 1 < 60; ++i) {
    children[i] = MUST(fork());
    if (children[i] == 0) {
      node(3 * number + i + 1);
      _exit(private[0] == 3 * number + i + 1 ? 0 : 1);
    }
  }
  // All sixty wait for each other, so that no frame is freed early.
  while (__atomic_load_n(&shared[0], __ATOMIC_SEQ_CST) < 60) usleep(1000);
  for (int i = 0; i < 3; ++i) {
    int status;
    if (children[i] && (waitpid(children[i], &status, 0) < 0 || status != 0))
      __atomic_add_fetch(&shared[2], 1, __ATOMIC_SEQ_CST);
  }
  if (private[0] != number || private[(size_t)(number % 16) * PAGE + 1] != number) {
    __atomic_add_fetch(&shared[3], 1, __ATOMIC_SEQ_CST);
  }
}

int main(void) {
  shared = (volatile int*)map_shared(PAGE);
  private = map_anon(16 * PAGE);
  node(0);
  printf("%d processes, sum %d, %d failed, %d saw foreign writes\n", shared[0], shared[1], shared[2], shared[3]);
  return 0;
}
