// busy_pages straddle|threads|children|walk|turns FILE N: stores N times through a shared mapping of 16 pages.
//
//   straddle  eight bytes across the end of a page, by one instruction
//   threads   four threads, each into pages of all
//   children  four processes, likewise
//   walk      one page after the other, each once
//   turns     two pages in turns
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16, WORKERS = 4 };

static volatile char* map;
static long rounds;

static void store_across(volatile char* at, uint64_t value) { __asm__ volatile("movq %1, (%0)" : : "r"(at), "r"(value) : "memory"); }

static void* work(void* argument) {
  const long worker = (long)argument;
  for (long i = 0; i < rounds; ++i) map[PAGE * ((i + worker) % PAGES) + 64 * worker] = (char)i;
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const char* mode = argv[1];
  rounds = atol(argv[3]);
  const int fd = open(argv[2], O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, PAGE * PAGES) != 0) return 1;
  map = mmap(NULL, PAGE * PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return 1;
  if (strcmp(mode, "straddle") == 0) {
    for (long i = 0; i < rounds; ++i) store_across(map + PAGE * (1 + i % (PAGES - 1)) - 4, 0x0101010101010101 * (uint64_t)(i % 255 + 1));
  } else if (strcmp(mode, "threads") == 0) {
    pthread_t threads[WORKERS];
    for (long i = 0; i < WORKERS; ++i) pthread_create(&threads[i], NULL, work, (void*)i);
    for (int i = 0; i < WORKERS; ++i) pthread_join(threads[i], NULL);
  } else if (strcmp(mode, "children") == 0) {
    for (long i = 0; i < WORKERS; ++i)
      if (fork() == 0) {
        work((void*)i);
        _exit(0);
      }
    while (wait(NULL) > 0) continue;
  } else {
    for (long i = 0; i < rounds; ++i) map[PAGE * (strcmp(mode, "turns") == 0 ? i % 2 : i % PAGES) + i / PAGES % PAGE] = (char)i;
  }
  return msync((void*)map, PAGE * PAGES, MS_SYNC);
}
