// Private mappings of a file that were moved, cut and covered before anything of the file was touched: what an earlier
// program needed of the file is not a reason to fill pages where the mapping is no longer. Source: mremap(2), mmap(2).
#include "guest.h"

enum { PAGES = 16 };

static char* map_private(int fd) { return map_island(PAGES * PAGE, RW, MAP_PRIVATE, fd, 0); }

static void earlier_program(int fd) {
  if (fork() == 0) {
    char* all = map_private(fd);
    for (int i = 0; i < PAGES; ++i) all[i * PAGE] = 'e';
    _exit(0);
  }
  MUST(wait(NULL));
}

static void show(const char* what, const char* base, int pages) {
  printf("%s:", what);
  for (int i = 0; i < pages; ++i)
    printf(" %c%02x", base[i * PAGE] ? base[i * PAGE] : '0', (unsigned char)base[i * PAGE + 1]);
  printf("\n");
}

int main(void) {
  int fd = make_file("file", PAGES * PAGE);
  for (int i = 0; i < PAGES; ++i) {
    char page[2] = {(char)('a' + i), (char)i};
    MUST(pwrite(fd, page, 2, (off_t)(i * PAGE)));
  }
  MUST(close(fd));
  fd = MUST(open("file", O_RDONLY));
  for (int round = 0; round < 3; ++round) {
    earlier_program(fd);
    if (fork() == 0) {
      char* moved = map_private(fd);
      char* place = map_island(PAGES * PAGE, PROT_NONE, ANON, -1, 0);
      char* old = moved;
      moved = MUST(mremap(moved, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place));
      MUST(mmap(old, PAGES * PAGE, RW, ANON | MAP_FIXED, -1, 0));
      char* cut = map_private(fd);
      MUST(munmap(cut + 4 * PAGE, 4 * PAGE));
      char* covered = map_private(fd);
      MUST(mmap(covered + 2 * PAGE, 3 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
      MUST(mmap(covered + 8 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, (off_t)PAGE));
      char* seen = map_island(PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
      printf("first touch: %c\n", *(volatile char*)seen);
      covered[9 * PAGE] = 'W';
      if (fork() == 0) {
        show("moved, in a child", moved, PAGES);
        moved[0] = 'C';
        _exit(fflush(stdout));
      }
      MUST(wait(NULL));
      show("moved", moved, PAGES);
      show("old place", old, PAGES);
      show("cut, below", cut, 4);
      show("cut, above", cut + 8 * PAGE, PAGES - 8);
      show("covered", covered, PAGES);
      show("seen", seen, PAGES);
      _exit(fflush(stdout));
    }
    MUST(wait(NULL));
  }
  return 0;
}
