// A daemon (double fork, setsid) reads what its dead parents left, also pages it never touched. Source: fork(2),
// credentials(7); memory is inherited at the fork, not kept by the parent.
#include "guest.h"

static void wait_until_orphaned(pid_t parent) {
  for (int i = 0; i < 5000 && getppid() == parent; ++i) usleep(1000);
}

int main(void) {
  char* area = map_anon(32 * PAGE);
  for (int page = 0; page < 32; ++page) memset(area + page * (long)PAGE, 'a' + page % 26, PAGE);
  int ends[2];
  MUST(pipe(ends));
  pid_t child = fork_child();
  if (child == 0) {
    memset(area + 3 * PAGE, 'C', PAGE);
    pid_t parent = getpid();
    if (fork_child() != 0) {
      memset(area + 4 * PAGE, 'X', PAGE);
      leave(0);
    }
    wait_until_orphaned(parent);
    CHECK(setsid() == getpid());
    pid_t middle = getpid();
    if (fork_child() != 0) {
      memset(area + 5 * PAGE, 'Y', PAGE);
      leave(0);
    }
    wait_until_orphaned(middle);
    CHECK(getsid(0) == middle);
    for (int page = 0; page < 32; ++page) putchar(area[page * (long)PAGE + 17]);
    printf("\ndaemon is done\n");
    fflush(stdout);
    MUST(write(ends[1], "done", 5));
    _exit(0);
  }
  show_end("the first child", child);
  memset(area, 'Z', 32 * PAGE);
  char text[8];
  MUST(read(ends[0], text, sizeof text));
  printf("%s\n", text);
  return 0;
}
