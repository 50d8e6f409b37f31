// posix_spawn (CLONE_VM | CLONE_VFORK): redirections, attributes, errors told through the return value, and from a
// threaded program. Source: posix_spawn(3).
#include <spawn.h>

#include "guest.h"

extern char** environ;

static void spawn(const char* title, char* const argv[], posix_spawn_file_actions_t* actions,
                  posix_spawnattr_t* attributes) {
  pid_t child = 0;
  fflush(stdout);
  int code = posix_spawnp(&child, argv[0], actions, attributes, argv, environ);
  if (code == 0)
    show_end(title, child);
  else
    printf("%s: %s\n", title, errno_name(code));
}

static void* spawn_many(void* argument) {
  long good = 0;
  for (int i = 0; i < 25; ++i) {
    pid_t child;
    int status;
    if (posix_spawn(&child, "/bin/true", 0, 0, (char*[]){"true", 0}, environ) == 0)
      good += waitpid(child, &status, 0) == child && status == 0;
  }
  (void)argument;
  return (void*)good;
}

int main(void) {
  spawn("echo", (char*[]){"echo", "hello", 0}, 0, 0);
  spawn("missing", (char*[]){"/does/not/exist", 0}, 0, 0);
  spawn("a directory", (char*[]){"/", 0}, 0, 0);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addclose(&actions, 0);
  spawn("redirected", (char*[]){"sh", "-c", "echo out; echo err >&2; exit 3", 0}, &actions, 0);
  spawn("the file", (char*[]){"cat", "out", 0}, 0, 0);
  posix_spawn_file_actions_addopen(&actions, 5, "/no/such/file", O_RDONLY, 0);
  spawn("bad action", (char*[]){"true", 0}, &actions, 0);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  spawn("attributes", (char*[]){"grep", "SigBlk", "/proc/self/status", 0}, 0, &attributes);

  pthread_t threads[4];
  long total = 0;
  for (int i = 0; i < 4; ++i) pthread_create(&threads[i], 0, spawn_many, 0);
  for (int i = 0; i < 4; ++i) {
    void* good;
    pthread_join(threads[i], &good);
    total += (long)good;
  }
  printf("%ld of 100 spawned by threads ended well\n", total);
  return 0;
}
