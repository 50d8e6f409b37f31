// mprotect changes whole pages, stops at the first hole, and never widens what a descriptor allowed.
// Source: mprotect(2).
#include "guest.h"

int main(void) {
  char* area = map_anon(8 * PAGE);
  area[0] = 'a';
  SHOW(mprotect(area + 1, PAGE, PROT_READ));
  SHOW(mprotect(area, 0, PROT_READ));
  SHOW(mprotect(area, (size_t)-1, PROT_READ));
  SHOW(mprotect(area, PAGE, 0x70));
  SHOW(mprotect(area, PAGE, PROT_READ | PROT_GROWSDOWN));
  SHOW(mprotect(area, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
  SHOW(mprotect(area, 1, PROT_READ));
  TOUCH(Read, area);
  TOUCH(Write, area);
  TOUCH(Write, area + PAGE);
  SHOW(mprotect(area + 2 * PAGE, 2 * PAGE, PROT_NONE));
  TOUCH(Read, area + 2 * PAGE);
  TOUCH(Write, area + 3 * PAGE + 17);
  TOUCH(Execute, area + 3 * PAGE + 17);
  SHOW(mprotect(area + 3 * PAGE, PAGE, RW));
  TOUCH(Write, area + 3 * PAGE);
  show_maps("pieces", area, 8 * PAGE);

  // A page that held data keeps it through PROT_NONE.
  SHOW(mprotect(area, PAGE, PROT_NONE));
  SHOW(mprotect(area, PAGE, PROT_READ));
  CHECK(area[0] == 'a');

  // A hole: the pages before it change, ENOMEM is told.
  MUST(munmap(area + 6 * PAGE, PAGE));
  SHOW(mprotect(area + 5 * PAGE, 3 * PAGE, PROT_READ));
  SHOW(mprotect(area + 6 * PAGE, PAGE, PROT_READ));
  show_maps("a hole", area, 8 * PAGE);

  // Write access to a shared mapping needs a descriptor open for writing; to a private one it does not.
  int fd = make_file_read_only("file", 2 * PAGE);
  char* shared = MUST((char*)mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
  char* private = MUST((char*)mmap(0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
  SHOW(mprotect(shared, PAGE, RW));
  SHOW(mprotect(shared, PAGE, PROT_READ | PROT_EXEC));
  SHOW(mprotect(private, PAGE, RW));
  TOUCH(Write, shared);
  TOUCH(Write, private);
  CHECK(shared[0] == 'A' && private[0] == 'w');
  show_maps("the shared file", shared, 2 * PAGE);
  show_maps("the private file", private, 2 * PAGE);

  // Write-only and execute-only memory can be read on this processor.
  SHOW(mprotect(area + 4 * PAGE, PAGE, PROT_WRITE));
  TOUCH(Write, area + 4 * PAGE);
  CHECK(area[4 * PAGE] == 'w');
  return 0;
}
