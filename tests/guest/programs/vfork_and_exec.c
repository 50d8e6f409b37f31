// vfork shares the memory until exec or _exit: the parent sleeps and then sees what the child stored. Source: vfork(2).
#include "guest.h"

static volatile int seen;

// Even rounds exec, odd ones end by themselves; the exit code of the child.
static int one_round(const int round) {
  pid_t child = vfork();
  if (child == 0) {
    seen += 1;
    if (round % 2) _exit(round);
    execl("/bin/true", "true", (char*)0);
    _exit(99);
  }
  int status = 0;
  MUST(waitpid(child, &status, 0));
  return WEXITSTATUS(status);
}

int main(void) {
  for (int round = 0; round < 50; ++round) {
    int code = one_round(round);
    if (code != (round % 2 ? round : 0)) printf("round %d: %d\n", round, code);
  }
  printf("%d children stored in our memory\n", seen);

  // A failing exec leaves the shared memory as it was.
  volatile int code = 0;
  pid_t child = vfork();
  if (child == 0) {
    execl("/does/not/exist", "none", (char*)0);
    code = errno;
    _exit(1);
  }
  show_end("failed exec", child);
  printf("%s\n", errno_name(code));
  return 0;
}
