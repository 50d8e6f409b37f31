// POPULATE_READ and POPULATE_WRITE fault pages in ahead, or tell why they cannot. Source: madvise(2), since 5.14.
#include "guest.h"

int main(void) {
  char* area = map_anon(8 * PAGE);
  show_mincore("fresh memory", area, 8 * PAGE);
  SHOW(madvise(area + PAGE, 2 * PAGE, MADV_POPULATE_WRITE));
  show_mincore("two populated", area, 8 * PAGE);
  SHOW(madvise(area + 4 * PAGE, PAGE, MADV_POPULATE_READ));
  CHECK(all_are(area, 8 * PAGE, 0));
  SHOW(mprotect(area + 5 * PAGE, PAGE, PROT_READ));
  SHOW(madvise(area + 5 * PAGE, PAGE, MADV_POPULATE_READ));
  SHOW(madvise(area + 5 * PAGE, PAGE, MADV_POPULATE_WRITE));
  SHOW(mprotect(area + 6 * PAGE, PAGE, PROT_NONE));
  SHOW(madvise(area + 6 * PAGE, PAGE, MADV_POPULATE_READ));
  MUST(munmap(area + 7 * PAGE, PAGE));
  SHOW(madvise(area + 7 * PAGE, PAGE, MADV_POPULATE_READ));
  SHOW(madvise(area + 1, PAGE, MADV_POPULATE_READ));
  int fd = make_file_read_only("file", 2 * PAGE);
  char* file = MUST((char*)mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
  SHOW(madvise(file, 2 * PAGE, MADV_POPULATE_READ));
  SHOW(madvise(file, PAGE, MADV_POPULATE_WRITE));
  CHECK(file[0] == 'A' && file[PAGE] == 'B');
  SHOW(madvise(file, 4 * PAGE, MADV_POPULATE_READ));
  return 0;
}
