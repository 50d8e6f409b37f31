// On a full file system: stores into `argv[1]` pages of a hole, then walks through 16 MiB of memory, so that somebody would
// like to have the stored pages written back. They cannot be; nothing of them may get lost.
#include "guest.h"

#define OTHERS (16 * MIB)

int main(int argc, char** argv) {
  (void)argc;
  const size_t pages = strtoul(argv[1], NULL, 10);
  const int file = MUST(open("hole", O_RDWR | O_CREAT | O_TRUNC, 0600));
  MUST(ftruncate(file, (off_t)(pages * PAGE)));
  const int ballast = MUST(open("ballast", O_WRONLY | O_CREAT, 0600));
  static char page[PAGE];
  while (write(ballast, page, sizeof page) > 0) continue;
  MUST(close(ballast));

  char* map = MUST(mmap(NULL, pages * PAGE, RW, MAP_SHARED, file, 0));
  for (size_t i = 0; i < pages; ++i) map[i * PAGE + i % PAGE] = (char)(i % 100 + 1);
  printf("stored\n");
  fflush(stdout);
  char* others = MUST(mmap(NULL, OTHERS, RW, ANON, -1, 0));
  for (int round = 0; round < 2; ++round)
    for (size_t i = 0; i < OTHERS; i += PAGE) others[i] = (char)(i / PAGE + (size_t)round);
  SHOW(msync(map, pages * PAGE, MS_SYNC));
  MUST(unlink("ballast"));
  size_t wrong = 0;
  for (size_t i = 0; i < pages; ++i) wrong += map[i * PAGE + i % PAGE] != (char)(i % 100 + 1);
  CHECK(wrong == 0);
  SHOW(msync(map, pages * PAGE, MS_SYNC));
  for (size_t i = 0; i < pages; ++i) {
    MUST(pread(file, page, PAGE, (off_t)(i * PAGE)));
    wrong += page[i % PAGE] != (char)(i % 100 + 1);
  }
  CHECK(wrong == 0);
  return 0;
}
