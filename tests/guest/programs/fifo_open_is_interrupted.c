// An open of a FIFO waits for the other end, and a handler without SA_RESTART interrupts it; with SA_RESTART it goes on waiting.
// An open of anything else is never interrupted. Source: open(2), EINTR; fifo(7); signal(7).
#include <linux/openat2.h>
#include <sys/time.h>

#include "guest.h"

static volatile int ticks;

static void tick(int signal) {
  (void)signal;
  ++ticks;
}

static void handle(int flags) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = flags};
  MUST(sigaction(SIGALRM, &action, NULL));
}

static void timer(long first_us, long then_us) {
  struct itimerval when = {{0, then_us}, {0, first_us}};
  MUST(setitimer(ITIMER_REAL, &when, NULL));
}

static void* other_end(void* unused) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  while (ticks < 5) usleep(1000);
  close(MUST(open("fifo", O_WRONLY)));
  return unused;
}

int main(void) {
  MUST(mkfifo("fifo", 0600));
  MUST(symlink("fifo", "link"));
  int here = MUST(open(".", O_RDONLY | O_DIRECTORY));
  handle(0);
  timer(20000, 0);
  SHOW(open("fifo", O_RDONLY));
  timer(20000, 0);
  SHOW(open("fifo", O_WRONLY));
  timer(20000, 0);
  SHOW(openat(here, "link", O_RDONLY));
  timer(20000, 0);
  SHOW(syscall(SYS_open, "link", O_RDONLY));
  timer(20000, 0);
  struct open_how how = {.flags = O_RDONLY};
  SHOW(syscall(SYS_openat2, here, "link", &how, sizeof how));
  SHOW(close(MUST(open("fifo", O_RDONLY | O_NONBLOCK))));
  handle(SA_RESTART);
  ticks = 0;
  pthread_t thread;
  pthread_create(&thread, NULL, other_end, NULL);
  timer(2000, 2000);
  CHECK(open("fifo", O_RDONLY) >= 0);
  pthread_join(thread, NULL);
  handle(0);
  timer(300, 300);
  int interrupted = 0;
  for (int i = 0; i < 3000; ++i) {
    int fd = i % 2 ? open("/dev/null", O_RDONLY) : (int)syscall(SYS_openat2, AT_FDCWD, "/dev/null", &how, sizeof how);
    if (fd < 0) ++interrupted;
    else close(fd);
  }
  timer(0, 0);
  CHECK(interrupted == 0);
  return 0;
}
