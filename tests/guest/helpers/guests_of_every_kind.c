// Starts guests that are hard to find again, has each write its pid into the file "pids", then creates "ready" and
// waits: a child, an orphan, a session leader's orphan, a stopped one, one that ignores signals, one of another user,
// a child of vfork that became another program, one with threads that touch memory. All end by themselves after a
// minute.
#include <grp.h>

#include "guest.h"

static int pids;

static void enlist(void) {
  char text[16];
  int length = snprintf(text, sizeof text, "%d\n", getpid());
  MUST(write(pids, text, (size_t)length));
}

static void linger(void) {
  alarm(60);
  for (;;) pause();
}

static void* touch_forever(void* unused) {
  for (;;) {
    char* area = mmap(0, 64 * PAGE, RW, ANON, -1, 0);
    memset(area, 1, 64 * PAGE);
    munmap(area, 64 * PAGE);
  }
  return unused;
}

static void orphan(bool new_session) {
  pid_t middle = MUST(fork());
  if (middle == 0) {
    if (new_session) MUST(setsid());
    if (MUST(fork()) != 0) _exit(0);
    enlist();
    linger();
  }
  MUST(waitpid(middle, 0, 0));
}

static void stopped(void) {
  enlist();
  alarm(60);
  raise(SIGSTOP);
  linger();
}

static void deaf(void) {
  for (int number = 1; number < 32; ++number) signal(number, SIG_IGN);
  enlist();
  sleep(60);
}

static void another_user(void) {
  if (geteuid() == 0) {
    MUST(setgroups(0, 0));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
  }
  setsid();
  enlist();
  linger();
}

static void threaded(void) {
  pthread_t thread;
  enlist();
  for (int i = 0; i < 3; ++i) pthread_create(&thread, 0, touch_forever, 0);
  linger();
}

static void another_program(void) {
  enlist();
  execl("/bin/sleep", "sleep", "60", (char*)0);
}

int main(void) {
  pids = MUST(open("pids", O_WRONLY | O_CREAT | O_APPEND, 0666));
  void (*kinds[])(void) = {linger, stopped, deaf, another_user, threaded, another_program};
  enlist();
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; ++i) {
    if (MUST(fork()) != 0) continue;
    if (kinds[i] == linger) enlist();
    kinds[i]();
    _exit(0);
  }
  orphan(false);
  orphan(true);
  for (int lines = 0; lines < 9; usleep(1000)) {
    char text[4096];
    int fd = MUST(open("pids", O_RDONLY));
    ssize_t length = MUST(read(fd, text, sizeof text));
    close(fd);
    lines = 0;
    for (ssize_t i = 0; i < length; ++i) lines += text[i] == '\n';
  }
  MUST(open("ready", O_WRONLY | O_CREAT, 0644));
  linger();
}
