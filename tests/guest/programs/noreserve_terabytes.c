// Terabytes may be reserved; only what is touched costs anything. Source: mmap(2), MAP_NORESERVE; proc(5), overcommit.
#include "guest.h"

int main(void) {
  const size_t length = 4096 * GIB;
  char* area = SHOW_MAP(mmap(0, length, RW, ANON | MAP_NORESERVE, -1, 0));
  unsigned long position = 12345;
  long total = 0;
  for (int touch_count = 0; touch_count < 2000; ++touch_count) {
    position = position * 6364136223846793005ul + 1442695040888963407ul;
    char* place = area + position % length;
    total += *place == 0;
    *place = 1;
  }
  printf("%ld of 2000 sparse places were zero\n", total);
  char* reserved = SHOW_MAP(mmap(0, 16 * length, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  SHOW(mprotect(reserved + 15 * length, GIB, RW));
  reserved[15 * length + GIB - 1] = 7;
  CHECK(reserved[15 * length + GIB - 1] == 7 && reserved[15 * length] == 0);
  SHOW(madvise(area, length, MADV_DONTNEED));
  CHECK(area[position % length] == 0);
  pid_t child = fork_child();
  if (child == 0) {
    reserved[15 * length] = 9;
    CHECK(reserved[15 * length + GIB - 1] == 7);
    leave(0);
  }
  show_end("child", child);
  CHECK(reserved[15 * length] == 0);
  SHOW(munmap(area, length));
  SHOW(munmap(reserved, 16 * length));
  return 0;
}
