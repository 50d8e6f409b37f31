// vfork_exec [ROUNDS]: vfork, exec of /bin/true, wait; ns a round.
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"

static pid_t start_true(void) {
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", (char*)NULL);
    _exit(127);
  }
  return child;
}

int main(int argc, char** argv) {
  const long rounds = argument(argc, argv, 200);
  const int64_t start = now_ns();
  for (long i = 0; i < rounds; ++i) {
    int status = 0;
    const pid_t child = start_true();
    must(child >= 0, "vfork");
    must(waitpid(child, &status, 0) == child && status == 0, "exec of /bin/true");
  }
  report_ns(now_ns() - start, rounds);
  return 0;
}
