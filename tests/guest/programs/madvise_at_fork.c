// DONTFORK memory is absent in the child, WIPEONFORK memory is zero there; both can be undone. Source: madvise(2).
#include "guest.h"

int main(void) {
  char* area = map_anon(6 * PAGE);
  memset(area, 'x', 6 * PAGE);
  SHOW(madvise(area + PAGE, PAGE, MADV_DONTFORK));
  SHOW(madvise(area + 2 * PAGE, PAGE, MADV_WIPEONFORK));
  SHOW(madvise(area + 3 * PAGE, PAGE, MADV_DONTFORK));
  SHOW(madvise(area + 3 * PAGE, PAGE, MADV_DOFORK));
  SHOW(madvise(area + 4 * PAGE, PAGE, MADV_WIPEONFORK));
  SHOW(madvise(area + 4 * PAGE, PAGE, MADV_KEEPONFORK));
  pid_t child = fork_child();
  if (child == 0) {
    TOUCH(Read, area);
    TOUCH(Read, area + PAGE);
    CHECK(all_are(area + 2 * PAGE, PAGE, 0));
    CHECK(all_are(area + 3 * PAGE, 3 * PAGE, 'x'));
    area[2 * PAGE] = 'c';
    pid_t grandchild = fork_child();
    if (grandchild == 0) {
      CHECK(all_are(area + 2 * PAGE, PAGE, 0));
      leave(0);
    }
    show_end("grandchild", grandchild);
    CHECK(area[2 * PAGE] == 'c');
    leave(0);
  }
  show_end("child", child);
  CHECK(all_are(area, 6 * PAGE, 'x'));
  return 0;
}
