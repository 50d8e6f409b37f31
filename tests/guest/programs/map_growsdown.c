// A MAP_GROWSDOWN mapping grows to the page touched below it, never into its neighbour. Source: mmap(2).
#include "guest.h"

int main(void) {
  // A free range with a neighbour far below: the growing mapping stands at its top.
  char* range = MUST((char*)mmap(0, 4096 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  MUST(munmap(range + PAGE, 4094 * PAGE));
  char* top = range + 4000 * PAGE;
  CHECK(mmap(top, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0) == top);
  top[0] = 't';
  show_maps("before", range, 4001 * PAGE);
  TOUCH(Write, top - 1);
  show_maps("one page more", range, 4001 * PAGE);
  TOUCH(Write, top - 20 * PAGE);
  show_maps("twenty", range, 4001 * PAGE);
  CHECK(top[0] == 't' && top[-1] == 'w' && top[-10 * (long)PAGE] == 0);
  SHOW(mprotect(top - 2 * PAGE, 3 * PAGE, PROT_READ | PROT_GROWSDOWN));
  show_maps("protected to its start", range, 4001 * PAGE);
  return 0;
}
