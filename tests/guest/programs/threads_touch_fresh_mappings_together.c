// Threads that touch a mapping for the first time at the same moment all find the file's bytes. Each round maps a file that nobody
// has read before. Source: mmap(2).
#include "fresh_file.h"

enum { THREADS = 4, ROUNDS = 240, LARGE = 2 * 256 };  // LARGE pages are mapped, PAGES of them touched
static char* volatile map;
static pthread_barrier_t barrier;
static int wrong;

static void* reader(void* argument) {
  const int id = (int)(intptr_t)argument;
  for (int round = 0; round < ROUNDS; ++round) {
    pthread_barrier_wait(&barrier);
    for (int page = id * (PAGES / THREADS); page < (id + 1) * (PAGES / THREADS); ++page)
      if (map[(size_t)page * PAGE + 7] != byte_of(page)) __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
    pthread_barrier_wait(&barrier);
  }
  return 0;
}

int main(void) {
  static const int kinds[][2] = {{PROT_READ, MAP_PRIVATE}, {RW, MAP_PRIVATE}, {PROT_READ, MAP_SHARED}};
  pthread_barrier_init(&barrier, 0, THREADS + 1);
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; ++i) pthread_create(&threads[i], 0, reader, (void*)(intptr_t)i);
  for (int round = 0; round < ROUNDS; ++round) {
    write_file("fresh");
    int fd = MUST(open("fresh", O_RDONLY));
    const int* kind = kinds[round % 3];
    const size_t length = (round % 4 ? PAGES : LARGE) * PAGE;
    MUST(truncate("fresh", (off_t)length));
    map = MUST(mmap(0, length, kind[0], kind[1], fd, 0));
    close(fd);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    MUST(munmap(map, length));
    MUST(unlink("fresh"));
  }
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], 0);
  SHOW(wrong);
  return 0;
}
