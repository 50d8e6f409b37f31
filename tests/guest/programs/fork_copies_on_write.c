// Parent and child see each other's private memory as it was at the fork, whoever writes first. Source: fork(2).
#include "guest.h"

enum { kPages = 64 };
static char data[8 * 4096] = "data";

// What a reader finds: the sum of one byte a page.
static long sum(const char* area) {
  long total = 0;
  for (int page = 0; page < kPages; ++page) total += area[(size_t)page * PAGE + 9];
  return total;
}

static void fill(char* area, int from, int to, int step, char value) {
  for (int page = from; page < to; page += step) area[(size_t)page * PAGE + 9] = value;
}

int main(void) {
  char* area = map_anon(kPages * PAGE);
  int ready[2], go[2];
  fill(area, 0, kPages / 2, 1, 1);  // the second half is never touched before the fork
  MUST(pipe(ready));
  MUST(pipe(go));
  pid_t child = fork_child();
  if (child == 0) {
    char byte;
    fill(area, 0, kPages, 2, 5);
    strcpy(data, "child");
    MUST(write(ready[1], "x", 1));
    MUST(read(go[0], &byte, 1));
    printf("child sees %ld, data %s\n", sum(area), data);
    fill(area, 0, kPages, 1, 9);
    leave(0);
  }
  char byte;
  MUST(read(ready[0], &byte, 1));
  printf("parent sees %ld, data %s\n", sum(area), data);
  fill(area, 0, kPages, 3, 100);
  strcpy(data, "parent");
  fflush(stdout);
  MUST(write(go[1], "x", 1));
  show_end("child", child);
  printf("parent sees %ld, data %s\n", sum(area), data);

  // A second child after writes on both sides gets the newest state.
  child = fork_child();
  if (child == 0) {
    printf("second child sees %ld, data %s\n", sum(area), data);
    leave(0);
  }
  fill(area, 0, kPages, 1, 2);
  show_end("second child", child);
  printf("parent sees %ld\n", sum(area));
  return 0;
}
