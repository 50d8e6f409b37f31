// A shared mapping of a file that is open for writing grows in place, shrinks and grows again, as Tkrzw's files do.
#include "guest.h"

int main(void) {
  int fd = MUST(open("file", O_RDWR | O_CREAT | O_TRUNC, 0644));
  MUST(ftruncate(fd, 256 * PAGE));
  char* reserved = mmap(NULL, 1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(munmap(reserved, 1024 * PAGE));
  char* map = mmap(reserved, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  printf("where asked: %d\n", map == reserved);
  size_t pages = 256;
  const size_t sizes[] = {2, 3, 1, 4, 300, 2};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    MUST(ftruncate(fd, (off_t)(sizes[i] * PAGE)));
    char* moved = mremap(map, pages * PAGE, sizes[i] * PAGE, MREMAP_MAYMOVE);
    printf("%zu to %zu pages: %s\n", pages, sizes[i], moved == MAP_FAILED ? strerror(errno) : moved == map ? "in place" : "elsewhere");
    if (moved == MAP_FAILED) return 1;
    map = moved;
    pages = sizes[i];
    memset(map, 'a' + (int)i, pages * PAGE);
    char last = 0;
    MUST(pread(fd, &last, 1, (off_t)(pages * PAGE - 1)));
    printf("read: %c\n", last);
  }
  return 0;
}
