// A raised RLIMIT_STACK holds at once for the main stack and for threads made later, and after exec. Compilers and
// shells do this. Source: setrlimit(2), execve(2), pthread_attr_init(3).
#include "guest.h"

__attribute__((noinline)) static long deep(long bytes) {
  volatile char frame[4000];
  frame[0] = frame[3999] = 1;
  return frame[0] + (bytes > 4000 ? deep(bytes - 4000) : 0) + frame[3999];
}

static void* deep_in_a_thread(void* argument) { return (void*)deep((long)argument); }

int main(int argc, char** argv) {
  struct rlimit limit;
  MUST(getrlimit(RLIMIT_STACK, &limit));
  if (argc == 1) {
    // First life: start over with 8 MiB, whatever the limit was.
    limit.rlim_cur = 8 * MIB;
    if (setrlimit(RLIMIT_STACK, &limit) != 0 || (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < 64 * MIB))
      skip("the stack limit cannot be raised to 64 MiB");
    execl("/proc/self/exe", "second", "life", (char*)0);
    return 1;
  }
  if (limit.rlim_cur == 8 * MIB) {
    limit.rlim_cur = 64 * MIB;
    MUST(setrlimit(RLIMIT_STACK, &limit));
    printf("the main stack, raised while running: %ld\n", deep(40 * (long)MIB));
    fflush(stdout);
    execl("/proc/self/exe", "third", "life", (char*)0);
    return 1;
  }
  printf("%s %s with a limit of %lu MiB\n", argv[0], argv[1], limit.rlim_cur / MIB);
  printf("the main stack: %ld\n", deep(60 * (long)MIB));
  pthread_t thread;
  void* sum;
  pthread_create(&thread, 0, deep_in_a_thread, (void*)(60 * MIB));
  pthread_join(thread, &sum);
  printf("a thread's stack: %ld\n", (long)sum);
  pid_t child = fork_child();
  if (child == 0) {
    limit.rlim_cur = MIB;
    MUST(setrlimit(RLIMIT_STACK, &limit));
    execl("/proc/self/exe", "lowered", "life", (char*)0);
    leave(1);
  }
  show_end("lowered", child);
  return 0;
}
