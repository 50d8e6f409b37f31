// Chains of forks where every ancestor exits at once: the memory comes from processes that are gone. Source: fork(2).
#include "guest.h"

static int chain(char* area, int length, int result) {
  for (int link = 0; link < length; ++link) {
    area[(size_t)link * PAGE] = (char)(link + 1);
    if (MUST(fork()) != 0) _exit(0);  // the ancestor dies, the child goes on
  }
  int good = 0;
  for (int link = 0; link < length; ++link) good += area[(size_t)link * PAGE] == link + 1;
  good += area[(size_t)length * PAGE + 5] == 'r';
  MUST(write(result, &good, sizeof good));
  _exit(0);
}

int main(void) {
  int ends[2];
  MUST(pipe(ends));
  char* area = map_anon(64 * PAGE);
  memset(area, 'r', 64 * PAGE);
  for (int length = 1; length < 40; length += 6) {
    if (fork_child() == 0) chain(area, length, ends[1]);
    int good = 0;
    MUST(read(ends[0], &good, sizeof good));
    printf("a chain of %d found %d right\n", length, good);
    while (wait(0) > 0) continue;
  }
  CHECK(all_are(area, 64 * PAGE, 'r'));
  return 0;
}
