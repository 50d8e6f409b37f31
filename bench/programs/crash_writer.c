// crash_writer FILE: a file of 1 MiB, of which 12 pages are stored to between two synchronisations, 20 times: for the rate at which
// `pagefold crash` checks states.
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char** argv) {
  enum { PAGE = 4096, PAGES = 256, ROUNDS = 20, STORES = 12 };
  const int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644) : -1;
  if (fd < 0 || ftruncate(fd, PAGE * PAGES) != 0) return 1;
  char* map = mmap(NULL, PAGE * PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return 1;
  memset(map, 'x', PAGE * PAGES);
  if (msync(map, PAGE * PAGES, MS_SYNC) != 0) return 1;
  for (int round = 0; round < ROUNDS; ++round) {
    for (int i = 0; i < STORES; ++i) map[((round * STORES + i) * 37 % PAGES) * PAGE + round] = (char)('a' + i);
    if (msync(map, PAGE * PAGES, MS_SYNC) != 0) return 1;
  }
  return 0;
}
