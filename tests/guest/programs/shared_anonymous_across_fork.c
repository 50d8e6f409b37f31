// Shared anonymous memory is one memory for parent, children and grandchildren, also where nobody touched it before
// the fork, and after mremap. Source: mmap(2), MAP_SHARED | MAP_ANONYMOUS.
#include "guest.h"

int main(void) {
  char* area = map_shared(64 * PAGE);
  strcpy(area, "parent");
  pid_t child = fork_child();
  if (child == 0) {
    printf("child sees %s\n", area);
    strcpy(area + 10 * PAGE, "child");
    pid_t grandchild = fork_child();
    if (grandchild == 0) {
      printf("grandchild sees %s %s\n", area, area + 10 * PAGE);
      strcpy(area + 20 * PAGE, "grandchild");
      leave(0);
    }
    show_end("grandchild", grandchild);
    leave(0);
  }
  show_end("child", child);
  printf("parent sees %s %s\n", area + 10 * PAGE, area + 20 * PAGE);

  // Many children add to one page each.
  volatile int* counters = (volatile int*)(area + 30 * PAGE);
  for (int i = 0; i < 20; ++i) {
    if (fork_child() == 0) {
      for (int n = 0; n < 1000; ++n) __atomic_add_fetch(&counters[i % 4 * 1024], 1, __ATOMIC_SEQ_CST);
      leave(0);
    }
  }
  while (wait(0) > 0) continue;
  printf("%d %d %d %d\n", counters[0], counters[1024], counters[2048], counters[3072]);

  child = fork_child();
  if (child == 0) {
    char* moved = MUST((char*)mremap(area, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + (1 << 30)));
    strcpy(moved + 40 * PAGE, "from a moved mapping");
    MUST(munmap(moved, 20 * PAGE));
    leave(0);
  }
  show_end("child", child);
  printf("%s, %s\n", area, area + 40 * PAGE);
  MUST(mprotect(area, PAGE, PROT_READ));
  child = fork_child();
  if (child == 0) {
    TOUCH(Write, area);
    SHOW(mprotect(area, PAGE, RW));
    strcpy(area, "written by the child");
    leave(0);
  }
  show_end("child", child);
  printf("%s\n", area);
  return 0;
}
