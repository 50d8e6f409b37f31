// msync: flags, holes, and what the file holds afterwards. Source: msync(2).
#include "guest.h"

int main(void) {
  int fd = make_file("file", 4 * PAGE);
  char* area = MUST((char*)mmap(0, 4 * PAGE, RW, MAP_SHARED, fd, 0));
  strcpy(area + PAGE, "stored");
  SHOW(msync(area, 4 * PAGE, MS_SYNC));
  SHOW(msync(area, 4 * PAGE, MS_ASYNC));
  SHOW(msync(area, 4 * PAGE, 0));
  SHOW(msync(area, 4 * PAGE, MS_INVALIDATE));
  SHOW(msync(area, 4 * PAGE, MS_SYNC | MS_ASYNC));
  SHOW(msync(area, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
  SHOW(msync(area, 4 * PAGE, 0x40));
  SHOW(msync(area + 1, PAGE, MS_SYNC));
  SHOW(msync(area, 0, MS_SYNC));
  SHOW(msync(area, (size_t)-1, MS_SYNC));
  char text[16] = "";
  MUST(pread(fd, text, sizeof text, PAGE));
  printf("the file holds: %s\n", text);
  MUST(munmap(area + 2 * PAGE, PAGE));
  SHOW(msync(area, 4 * PAGE, MS_SYNC));
  SHOW(msync(area, 4 * PAGE, MS_ASYNC));
  SHOW(msync(area + 2 * PAGE, PAGE, MS_SYNC));
  SHOW(msync(map_anon(PAGE), PAGE, MS_SYNC));
  SHOW(msync(map_shared(PAGE), PAGE, MS_SYNC));
  SHOW(mlock(area, PAGE));
  SHOW(msync(area, PAGE, MS_SYNC | MS_INVALIDATE));
  char* private = MUST((char*)mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0));
  private[0] = 'p';
  SHOW(msync(private, PAGE, MS_SYNC));
  MUST(pread(fd, text, 1, 0));
  printf("the file begins with: %c\n", text[0]);
  return 0;
}
