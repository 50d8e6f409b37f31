// Neighbouring ranges of equal kind are one; a change in the middle splits, taking it back merges. Source: proc(5),
// maps; mprotect(2). Untouched memory, where the merging of Linux does not depend on history.
#include "guest.h"

int main(void) {
  char* area = map_island(12 * PAGE, RW, ANON, -1, 0);
  show_maps("one", area, 12 * PAGE);
  MUST(mprotect(area + 4 * PAGE, 2 * PAGE, PROT_READ));
  show_maps("split", area, 12 * PAGE);
  MUST(mprotect(area + 6 * PAGE, 2 * PAGE, PROT_READ));
  show_maps("neighbours alike", area, 12 * PAGE);
  MUST(mprotect(area + 4 * PAGE, 4 * PAGE, RW));
  show_maps("merged", area, 12 * PAGE);
  MUST(munmap(area + 3 * PAGE, 3 * PAGE));
  show_maps("a hole", area, 12 * PAGE);
  MUST(mmap(area + 3 * PAGE, 3 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
  show_maps("filled alike", area, 12 * PAGE);
  MUST(mmap(area + 3 * PAGE, PAGE, RW, ANON_SHARED | MAP_FIXED, -1, 0));
  show_maps("a shared page", area, 12 * PAGE);
  MUST(mprotect(area, 12 * PAGE, PROT_READ));
  show_maps("all read-only", area, 12 * PAGE);
  MUST(mmap(area, 12 * PAGE, PROT_READ | PROT_EXEC, ANON | MAP_FIXED, -1, 0));
  show_maps("replaced", area, 12 * PAGE);
  for (int page = 0; page < 12; page += 3) MUST(mprotect(area + page * (long)PAGE, PAGE, PROT_NONE));
  show_maps("comb", area, 12 * PAGE);

  int fd = make_file_read_only("file", 12 * PAGE);
  char* file = map_island(12 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  MUST(mprotect(file + 2 * PAGE, 3 * PAGE, PROT_READ | PROT_EXEC));
  show_maps("file pieces", file, 12 * PAGE);
  MUST(mprotect(file, 12 * PAGE, PROT_READ));
  show_maps("file in one again", file, 12 * PAGE);
  MUST(mmap(file + 6 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 6 * PAGE));
  show_maps("the same pages of the file", file, 12 * PAGE);
  MUST(mmap(file + 6 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0));
  show_maps("other pages of the file", file, 12 * PAGE);
  MUST(mmap(file + 8 * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 8 * PAGE));
  show_maps("a shared piece", file, 12 * PAGE);
  int other = make_file_read_only("other", 12 * PAGE);
  MUST(mmap(file, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, other, 0));
  MUST(mmap(file + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, other, PAGE));
  show_maps("another file", file, 12 * PAGE);
  return 0;
}
