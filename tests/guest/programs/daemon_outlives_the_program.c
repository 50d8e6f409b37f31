// The program ends first; its orphan goes on with its own memory and prints later. Source: exit(2).
#include "guest.h"

int main(void) {
  char* area = map_anon(64 * PAGE);
  memset(area, 'p', 64 * PAGE);
  pid_t parent = getpid();
  if (fork_child() != 0) {
    printf("the program ends\n");
    return 5;
  }
  MUST(setsid());
  for (int i = 0; i < 5000 && getppid() == parent; ++i) usleep(1000);
  usleep(100000);
  CHECK(all_are(area, 64 * PAGE, 'p'));
  memset(area, 'o', 64 * PAGE);
  pid_t child = fork_child();
  if (child == 0) {
    CHECK(all_are(area, 64 * PAGE, 'o'));
    leave(0);
  }
  show_end("the orphan's child", child);
  return 0;
}
