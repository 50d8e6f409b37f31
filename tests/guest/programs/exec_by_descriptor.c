// fexecve and execveat: the program is the descriptor's, whatever became of the name. Source: execveat(2), fexecve(3).
#include "guest.h"

extern char** environ;

static int copy_of(const char* from, const char* to) {
  int in = MUST(open(from, O_RDONLY)), out = MUST(open(to, O_WRONLY | O_CREAT, 0755));
  copy_rest(in, out);
  close(out);
  close(in);
  return MUST(open(to, O_RDONLY | O_CLOEXEC));
}

int main(void) {
  int echo = copy_of("/bin/echo", "echo");
  pid_t child = fork_child();
  if (child == 0) leave(fexecve(echo, (char*[]){"echo", "by fexecve", 0}, environ));
  show_end("fexecve", child);
  child = fork_child();
  if (child == 0)
    leave((int)syscall(SYS_execveat, echo, "", (char*[]){"echo", "AT_EMPTY_PATH", 0}, environ, AT_EMPTY_PATH));
  show_end("execveat", child);
  int here = MUST(open(".", O_PATH | O_DIRECTORY));
  child = fork_child();
  if (child == 0)
    leave((int)syscall(SYS_execveat, here, "echo", (char*[]){"echo", "relative to a directory", 0}, environ, 0));
  show_end("execveat", child);

  // The name now means something else; the descriptor does not.
  MUST(rename("echo", "old"));
  copy_of("/bin/false", "echo");
  child = fork_child();
  if (child == 0) leave(fexecve(echo, (char*[]){"echo", "by the old descriptor", 0}, environ));
  show_end("renamed", child);
  MUST(unlink("old"));
  child = fork_child();
  if (child == 0) leave(fexecve(echo, (char*[]){"echo", "deleted", 0}, environ));
  show_end("deleted", child);

  // A program that never had a name.
  int memory = MUST((int)syscall(SYS_memfd_create, "program", 0));
  MUST(lseek(echo, 0, SEEK_SET));
  copy_rest(echo, memory);
  child = fork_child();
  if (child == 0) leave(fexecve(memory, (char*[]){"echo", "from a memfd", 0}, environ));
  show_end("memfd", child);

  // A script through a descriptor that is closed on exec is refused.
  int script = MUST(open("script", O_RDWR | O_CREAT, 0755));
  MUST(write(script, "#!/bin/sh\necho script $1\n", 25));
  close(script);
  script = MUST(open("script", O_RDONLY));
  child = fork_child();
  if (child == 0) leave((int)syscall(SYS_execveat, script, "", (char*[]){"s", "argument", 0}, environ, AT_EMPTY_PATH));
  show_end("script", child);
  MUST(fcntl(script, F_SETFD, FD_CLOEXEC));
  SHOW(syscall(SYS_execveat, script, "", (char*[]){"s", 0}, environ, AT_EMPTY_PATH));
  return 0;
}
