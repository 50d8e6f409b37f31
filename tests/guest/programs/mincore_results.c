// mincore tells which pages are in memory: of private memory those touched, of files those cached. Source: mincore(2).
#include "guest.h"

int main(void) {
  unsigned char vector[16];
  char* area = map_anon(8 * PAGE);
  SHOW(mincore(area + 1, PAGE, vector));
  SHOW(mincore(area, 0, vector));
  SHOW(mincore(area, (size_t)-1, vector));
  SHOW(mincore(area, PAGE, (unsigned char*)8));
  SHOW(mincore(area, 1, vector));
  show_mincore("fresh", area, 8 * PAGE);
  area[2 * PAGE] = 1;
  area[5 * PAGE + 9] = 1;
  show_mincore("two written", area, 8 * PAGE);
  (void)*(volatile char*)(area + 7 * PAGE);
  show_mincore("one read", area, 8 * PAGE);
  MUST(madvise(area + 5 * PAGE, PAGE, MADV_DONTNEED));
  show_mincore("one dropped", area, 8 * PAGE);
  MUST(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
  show_mincore("one protected", area, 8 * PAGE);
  MUST(munmap(area + 3 * PAGE, PAGE));
  show_mincore("a hole", area, 8 * PAGE);

  char* shared = map_shared(4 * PAGE);
  show_mincore("fresh shared", shared, 4 * PAGE);
  shared[PAGE] = 1;
  show_mincore("shared, one written", shared, 4 * PAGE);
  int fd = make_file_read_only("file", 3 * PAGE + 5);
  char* file = MUST((char*)mmap(0, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
  show_mincore("a file just written", file, 4 * PAGE);
  (void)*(volatile char*)file;
  show_mincore("a file just read", file, 4 * PAGE);
  return 0;
}
