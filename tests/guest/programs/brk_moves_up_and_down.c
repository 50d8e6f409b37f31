// The break: fresh pages are zero, pages given back and taken again are zero, a refusal returns the old break.
// Source: brk(2). Uses no malloc, which would move the break itself.
#include "guest.h"

static char* move(char* to) { return (char*)syscall(SYS_brk, to); }

int main(void) {
  static char buffer[1 << 16];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  char* start = move(0);
  start = move((char*)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1)));
  CHECK(move(start + 5 * PAGE + 100) == start + 5 * PAGE + 100);
  CHECK(all_are(start, 6 * PAGE, 0));
  memset(start, 'x', 6 * PAGE);
  TOUCH(Read, start + 6 * PAGE);
  show_maps("the heap", start, 8 * PAGE);

  // Within the last page nothing is cleared.
  CHECK(move(start + 5 * PAGE + 1) == start + 5 * PAGE + 1);
  CHECK(move(start + 5 * PAGE + 200) == start + 5 * PAGE + 200);
  CHECK(start[5 * PAGE + 150] == 'x');

  CHECK(move(start + 2 * PAGE) == start + 2 * PAGE);
  TOUCH(Read, start + 2 * PAGE);
  CHECK(start[2 * PAGE - 1] == 'x');
  CHECK(move(start + 4 * PAGE) == start + 4 * PAGE);
  CHECK(all_are(start + 2 * PAGE, 2 * PAGE, 0));

  // Something in the way, or below the start, or beyond memory: no move.
  MUST(mmap(start + 8 * PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  CHECK(move(start + 9 * PAGE) == start + 4 * PAGE);
  CHECK(move(start + 8 * PAGE) == start + 4 * PAGE);
  CHECK(move((char*)1) == start + 4 * PAGE);
  CHECK(move((char*)-1) == start + 4 * PAGE);
  MUST(munmap(start + 8 * PAGE, PAGE));
  CHECK(move(start + 9 * PAGE) == start + 9 * PAGE);

  // A part of it can be protected or unmapped as any other memory.
  SHOW(mprotect(start + PAGE, PAGE, PROT_READ));
  TOUCH(Write, start + PAGE);
  SHOW(munmap(start + 5 * PAGE, PAGE));
  TOUCH(Read, start + 5 * PAGE);
  show_maps("the heap", start, 9 * PAGE);

  // A large heap costs nothing until touched.
  char* large = move(start + GIB);
  CHECK(large == start + GIB);
  start[GIB - 1] = 1;
  CHECK(move(start) == start);
  pid_t child = fork_child();
  if (child == 0) {
    CHECK(move(0) == start);
    CHECK(move(start + PAGE) == start + PAGE);
    start[0] = 'c';
    leave(0);
  }
  show_end("child with a heap of its own", child);
  CHECK(move(0) == start);
  TOUCH(Read, start);
  return 0;
}
