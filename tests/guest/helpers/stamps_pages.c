// stamps_pages FILE TOLD STEP: stamps every word of 64 mapped pages, each STEPth of a file, with a number, synchronises them, adds a
// byte to TOLD, and begins again with the next number, from 1, until it is killed. Odd numbers are synchronised by msync, even ones by fsync.
#include "guest.h"

enum { kPages = 64, kWords = 512 };

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const size_t step = strtoul(argv[3], NULL, 10), length = kPages * step * PAGE;
  int fd = MUST(open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0644)), told = MUST(open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0644));
  MUST(ftruncate(fd, (off_t)length));
  uint64_t* map = (uint64_t*)map_island(length, RW, MAP_SHARED, fd, 0);
  for (uint64_t number = 1;; ++number) {
    for (size_t page = 0; page < kPages; ++page)
      for (size_t i = 0; i < kWords; ++i) ((volatile uint64_t*)map)[page * step * kWords + i] = number;
    MUST(number % 2 != 0 ? msync(map, length, MS_SYNC) : fsync(fd));
    MUST(write(told, "+", 1));
  }
}
