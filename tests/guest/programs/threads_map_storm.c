// More threads than anybody waits for at a time map, protect, move and unmap at once. Each sees fresh zeros and its own
// bytes. Source: mmap(2), mremap(2), munmap(2).
#include "guest.h"

enum { kThreads = 90, kRounds = 60 };
static long dirty, lost;

static void note(long* counter) { __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST); }

static void* work(void* argument) {
  unsigned seed = (unsigned)(long)argument;
  char mine = (char)(long)argument;
  for (int round = 0; round < kRounds; ++round) {
    size_t pages = 6 + (size_t)rand_r(&seed) % 40;
    char* area = MUST((char*)mmap(0, pages * PAGE, RW, ANON, -1, 0));
    for (size_t page = 0; page < pages; page += 1 + (size_t)rand_r(&seed) % 5) {
      if (area[page * PAGE] != 0) note(&dirty);
      area[page * PAGE] = mine;
    }
    if (round % 3 == 0) {
      area = MUST((char*)mremap(area, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE));
      if (area[pages * PAGE] != 0) note(&dirty);
      pages *= 2;
    } else if (round % 3 == 1) {
      MUST(mprotect(area + PAGE, PAGE, PROT_READ));
      MUST(munmap(area + 2 * PAGE, PAGE));
    }
    if (area[0] != mine) note(&lost);
    MUST(munmap(area, pages * PAGE));
  }
  return 0;
}

int main(void) {
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], 0, work, (void*)(i + 1));
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], 0);
  printf("%ld pages were not fresh, %ld areas lost their bytes\n", dirty, lost);
  return 0;
}
