// [STARTS] A program is started several times and stores to pages of its data and of its bss, some apart from each other. At
// every start the data hold what the file holds, and the bss zeros, whatever was stored there before.
#include <spawn.h>
#include <sys/wait.h>

#include "guest.h"

enum { kPages = 48, kStep = 12, kSize = kPages * PAGE, kAt = 5 };
static volatile char data[kSize] = {1, 2, 3};
static volatile char bss[kSize];
extern char** environ;

static int wrong_at_start(void) {
  int wrong = 0;
  for (int page = 0; page < kPages; page += kStep) {
    wrong += data[page * PAGE + kAt] != 0 || bss[page * PAGE + kAt] != 0;
    data[page * PAGE + kAt] = (char)(page + 1);
    bss[page * PAGE + kAt] = (char)(page + 2);
  }
  for (int i = 0; i < kSize; ++i) {
    const int stored = i % (kStep * PAGE) == kAt ? i / PAGE + 1 : 0;
    wrong += data[i] != (i < 3 ? i + 1 : stored);
    wrong += bss[i] != (stored != 0 ? stored + 1 : 0);
  }
  return wrong;
}

int main(int argc, char** argv) {
  if (argc == 3) {
    const int wrong = wrong_at_start();
    printf("%d wrong\n", wrong);
    return wrong != 0;
  }
  const int starts = argc == 2 ? atoi(argv[1]) : 4;
  for (int i = 0; i < starts; ++i) {
    char* const arguments[] = {argv[0], "start", "it", NULL};
    pid_t child;
    int status = 0;
    if (posix_spawn(&child, argv[0], NULL, NULL, arguments, environ) != 0) return 1;
    MUST(waitpid(child, &status, 0));
    if (status != 0) return 1;
  }
  printf("started %d times\n", starts);
  return 0;
}
