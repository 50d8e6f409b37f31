// As databases do: 10 GiB mapped with MAP_POPULATE over a file of 20 KiB, which then grows under the mapping. Source: mmap(2);
// what bbolt does.
#include "guest.h"

static void try(const char* title, int protection, int type) {
  printf("-- %s\n", title);
  int fd = make_file("database", 5 * PAGE);
  char* map = SHOW_MAP(mmap(0, 10 * GIB, protection, type | MAP_POPULATE, fd, 0));
  CHECK(all_are(map, PAGE, 'A') && all_are(map + 4 * PAGE, PAGE, 'E'));
  TOUCH(Read, map + 5 * PAGE);
  TOUCH(Read, map + 9 * GIB);
  show_mincore("the file", map, 5 * PAGE);
  MUST(pwrite(fd, "grown", 5, (off_t)(3 * GIB)));
  CHECK(memcmp(map + 3 * GIB, "grown", 5) == 0);
  CHECK(all_are(map + 2 * GIB, PAGE, 0));
  TOUCH(Read, map + 3 * GIB + PAGE);
  MUST(ftruncate(fd, 2 * PAGE));
  TOUCH(Read, map + 2 * PAGE);
  TOUCH(Read, map + PAGE);
  if (protection & PROT_WRITE) {
    memcpy(map + PAGE, "mapped", 6);
    SHOW(msync(map, 10 * GIB, MS_SYNC));
    char word[7] = "";
    MUST(pread(fd, word, 6, PAGE));
    printf("read: %s\n", type == MAP_SHARED ? word : "(private)");
  }
  SHOW(munmap(map, 10 * GIB));
  close(fd);
}

int main(void) {
  try("shared, read-only", PROT_READ, MAP_SHARED);
  try("shared", RW, MAP_SHARED);
  try("private, read-only", PROT_READ, MAP_PRIVATE);
  return 0;
}
