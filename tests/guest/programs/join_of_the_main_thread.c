// The main thread ends before the process does, and another one joins it. Its id in memory, which the kernel clears then, does not
// lie on its stack as that of other threads does; here on a page that a fork has just made read-only. Source: pthread_join(3).
#include "guest.h"

static pthread_t main_thread;
static volatile bool forked;

static void* fork_and_join(void* unused) {
  pid_t child = MUST(fork());
  if (child == 0) _exit(0);
  forked = true;
  void* result = unused;
  printf("join: %s\n", strerrorname_np(pthread_join(main_thread, &result)) ?: "0");
  int status = 0;
  MUST(waitpid(child, &status, 0));
  printf("child: %d\n", status);
  exit(0);
}

int main(void) {
  main_thread = pthread_self();
  pthread_t other;
  pthread_create(&other, NULL, fork_and_join, NULL);
  while (!forked) {
  }
  syscall(SYS_exit, 0);  // as pthread_exit() does in the end, but stores nothing on the way
}
