// fork_wait [ROUNDS]: fork, exit of the child, wait; ns a round.
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

int main(int argc, char** argv) {
  const long rounds = argument(argc, argv, 300);
  const int64_t start = now_ns();
  for (long i = 0; i < rounds; ++i) {
    const pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) _exit(0);
    must(waitpid(child, NULL, 0) == child, "waitpid");
  }
  report_ns(now_ns() - start, rounds);
  return 0;
}
