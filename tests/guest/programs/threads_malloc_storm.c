// Eight threads allocate, grow, check and free blocks of all sizes, small, arena and mapped ones. Source: malloc(3).
#include "guest.h"

enum { kThreads = 8, kSlots = 64, kSteps = 6000 };

static void* storm(void* argument) {
  unsigned long state = 77 + (unsigned long)argument;
  struct {
    unsigned char* at;
    size_t size;
    unsigned char mark;
  } slots[kSlots] = {0};
  long wrong = 0;
  for (int step = 0; step < kSteps; ++step) {
    state = state * 6364136223846793005ul + 1442695040888963407ul;
    int slot = (int)(state >> 33) % kSlots;
    size_t size = (size_t)1 << (state >> 45) % 18;
    if (step % 500 == 0) size = 300 * KIB;  // over the mmap threshold
    if (slots[slot].at) {
      unsigned char* at = slots[slot].at;
      wrong += at[0] != slots[slot].mark || at[slots[slot].size - 1] != slots[slot].mark;
      if (step % 3 == 0) {
        at = realloc(at, size);
        size_t common = size < slots[slot].size ? size : slots[slot].size;
        wrong += at[0] != slots[slot].mark || (common == slots[slot].size && at[common - 1] != slots[slot].mark);
        slots[slot].at = at;
      } else {
        free(at);
        slots[slot].at = step % 2 ? malloc(size) : calloc(size, 1);
        if (step % 2 == 0) wrong += slots[slot].at[0] != 0 || slots[slot].at[size - 1] != 0;
      }
    } else {
      slots[slot].at = malloc(size);
    }
    slots[slot].size = size;
    slots[slot].mark = (unsigned char)state;
    memset(slots[slot].at, slots[slot].mark, size);
  }
  for (int slot = 0; slot < kSlots; ++slot) free(slots[slot].at);
  return (void*)wrong;
}

int main(void) {
  pthread_t threads[kThreads];
  long total = 0;
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], 0, storm, (void*)i);
  for (int i = 0; i < kThreads; ++i) {
    void* wrong;
    pthread_join(threads[i], &wrong);
    total += (long)wrong;
  }
  printf("%ld wrong bytes\n", total);
  return 0;
}
