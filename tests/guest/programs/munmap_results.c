// munmap takes any whole pages, mapped or not, and splits what it cuts. Source: munmap(2).
#include "guest.h"

int main(void) {
  char* area = map_anon(10 * PAGE);
  memset(area, 'x', 10 * PAGE);
  SHOW(munmap(area, 0));
  SHOW(munmap(area + 1, PAGE));
  SHOW(munmap(area, (size_t)-1));
  SHOW(munmap((void*)0xffff800000000000, PAGE));
  SHOW(munmap((void*)0x7fffffffe000, 64 * PAGE));
  SHOW(munmap(area + 4 * PAGE, 1));
  show_maps("a hole", area, 10 * PAGE);
  TOUCH(Read, area + 4 * PAGE);
  TOUCH(Read, area + 4 * PAGE - 1);
  TOUCH(Read, area + 5 * PAGE);
  SHOW(munmap(area + 4 * PAGE, PAGE));
  SHOW(munmap(area + 3 * PAGE, 3 * PAGE));
  show_maps("a wider hole", area, 10 * PAGE);
  SHOW(munmap(area + 9 * PAGE, PAGE + 1));
  SHOW(munmap(area, PAGE));
  show_maps("ends cut", area, 10 * PAGE);
  CHECK(all_are(area + PAGE, 2 * PAGE, 'x') && all_are(area + 6 * PAGE, 3 * PAGE, 'x'));

  // What is mapped there again is new.
  CHECK(mmap(area + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == area + 4 * PAGE);
  CHECK(all_are(area + 4 * PAGE, PAGE, 0));
  SHOW(munmap(area, 10 * PAGE));
  show_maps("nothing", area, 10 * PAGE);

  // Low addresses that look free, and everything at once, the program itself included.
  SHOW(munmap((void*)0x10000, 4 * MIB - 0x10000));
  const pid_t child = fork_child();
  if (child == 0) {
    munmap(0, 0x7ffffffff000);
    leave(1);
  }
  show_end("a process that has unmapped itself", child);
  return 0;
}
