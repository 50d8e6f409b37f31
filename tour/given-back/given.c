// A program with 256 pages of text: it calls them all, is stopped while its child fills 24 MiB, and calls them all again.
#include <sys/wait.h>

#include "../common/probe.h"

// One function on a page of its own.
#define FUNCTION(n) \
  __attribute__((aligned(4096), noinline)) static long function_##n(long x) { return x + 0x##n * 3 + 1; }
#define SIXTEEN(use, n)                                                                                              \
  use(n##0) use(n##1) use(n##2) use(n##3) use(n##4) use(n##5) use(n##6) use(n##7) use(n##8) use(n##9) use(n##a)      \
      use(n##b) use(n##c) use(n##d) use(n##e) use(n##f)
#define ALL(use)                                                                                                     \
  SIXTEEN(use, 0) SIXTEEN(use, 1) SIXTEEN(use, 2) SIXTEEN(use, 3) SIXTEEN(use, 4) SIXTEEN(use, 5) SIXTEEN(use, 6)    \
  SIXTEEN(use, 7) SIXTEEN(use, 8) SIXTEEN(use, 9) SIXTEEN(use, a) SIXTEEN(use, b) SIXTEEN(use, c) SIXTEEN(use, d)    \
  SIXTEEN(use, e) SIXTEEN(use, f)
#define NAME(n) function_##n,

ALL(FUNCTION)
static long (*const functions[])(long) = {ALL(NAME)};

static long call_all(void) {
  long sum = 0;
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) sum = functions[i](sum);
  return sum;
}

static void take_frames(void) {
  enum { kBytes = 24 << 20 };
  kill(getppid(), SIGSTOP);
  unsigned char* memory = mmap(NULL, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  for (size_t at = 0; at < kBytes; at += page_size()) memory[at] = 1;
  kill(getppid(), SIGCONT);
  _exit(0);
}

int main(void) {
  tell("functions, each on a page of its own", sizeof functions / sizeof *functions);
  tell("sum before", call_all());
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) take_frames();
  int status = -1;
  if (waitpid(child, &status, 0) != child || status != 0) die("the child");
  tell("sum after", call_all());
  return 0;
}
