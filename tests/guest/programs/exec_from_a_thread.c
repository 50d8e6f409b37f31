// execve by a thread that is not the leader: all others end, the new program has the leader's pid and one thread.
// Source: execve(2).
#include "guest.h"

static volatile int spinning;

static void* spin(void* argument) {
  char* area = argument;
  __atomic_add_fetch(&spinning, 1, __ATOMIC_SEQ_CST);
  for (size_t i = 0;; ++i) area[i % (64 * PAGE)] += 1;
  return 0;
}

static void* exec_it(void* argument) {
  char pid[16];
  snprintf(pid, sizeof pid, "%d", getpid());
  while (spinning < 4) usleep(100);
  execl("/proc/self/exe", "again", pid, (char*)argument, (char*)0);
  printf("exec failed: %s\n", errno_name(errno));
  leave(1);
  return 0;
}

static int second_life(char** argv) {
  char line[256];
  CHECK(atoi(argv[1]) == getpid());
  CHECK(gettid() == getpid());
  FILE* status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status))
    if (!strncmp(line, "Threads:", 8)) printf("%s", line);
  int round = atoi(argv[2]);
  printf("round %d\n", round);
  return round;
}

int main(int argc, char** argv) {
  int round = 1;
  if (argc == 3) {
    round = second_life(argv) + 1;
    if (round > 5) return 0;
  }
  fflush(stdout);
  char text[16];
  snprintf(text, sizeof text, "%d", round);
  pthread_t thread;
  for (int i = 0; i < 4; ++i) pthread_create(&thread, 0, spin, map_anon(64 * PAGE));
  pthread_create(&thread, 0, exec_it, text);
  pthread_join(thread, 0);
  return 1;
}
