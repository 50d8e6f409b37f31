// Many threads fault on the same fresh pages at the same time, and map and unmap beside each other: each page is made
// once, no store is lost. Source: mmap(2); POSIX memory synchronisation.
#include "guest.h"

enum { kThreads = 6, kPages = 256, kRounds = 20 };
static char* area;
static pthread_barrier_t barrier;

static void* toucher(void* argument) {
  long lane = (long)argument;
  for (int round = 0; round < kRounds; ++round) {
    pthread_barrier_wait(&barrier);
    for (size_t page = 0; page < kPages; ++page)
      __atomic_add_fetch((int*)(area + page * PAGE + 8), 1, __ATOMIC_RELAXED),
          area[page * PAGE + 100 + (size_t)lane] = 'x';
    pthread_barrier_wait(&barrier);
  }
  return 0;
}

static void* mapper(void* unused) {
  for (int i = 0; i < 1500; ++i) {
    char* piece = mmap(0, 8 * PAGE, RW, ANON, -1, 0);
    piece[(i % 8) * (long)PAGE] = 1;
    munmap(piece, 8 * PAGE);
  }
  return unused;
}

int main(void) {
  pthread_t threads[kThreads], other;
  pthread_barrier_init(&barrier, 0, kThreads + 1);
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], 0, toucher, (void*)i);
  pthread_create(&other, 0, mapper, 0);
  long good = 0;
  for (int round = 0; round < kRounds; ++round) {
    area = map_anon(kPages * PAGE);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (size_t page = 0; page < kPages; ++page)
      good += *(int*)(area + page * PAGE + 8) == kThreads && all_are(area + page * PAGE + 100, kThreads, 'x');
    MUST(munmap(area, kPages * PAGE));
  }
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], 0);
  pthread_join(other, 0);
  printf("%ld of %d pages were right\n", good, kPages * kRounds);
  return 0;
}
