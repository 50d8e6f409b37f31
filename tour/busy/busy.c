// busy [COMMAND...]: edits a program while it is executed, in all the ways there are, and tells what comes of it. The
// program (a copy of `edition`) is started by the command, if there is one, else directly.
#include "../common/children.h"

#include <sys/sendfile.h>

static const char kProgram[] = "./edited", kNew[] = "./edited.new", kScript[] = "./script";

static void copy_program(const char* to) {
  char path[4200];
  snprintf(path, sizeof path, "%s/edition", own_directory());
  const int in = open_or_die(path, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (out < 0 || sendfile(out, in, NULL, size_of(in)) != (ssize_t)size_of(in)) die(to);
  close(in), close(out);
}

static void tell_result(const char* what, long result) {
  printf("%s: %s\n", what, result >= 0 ? "done" : strerrorname_np(errno));
}

static void try_open(const char* what, const char* path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC);
  tell_result(what, fd);
  if (fd >= 0) close(fd);
}

// The program is started; its first line has been read.
struct running {
  pid_t pid;
  int to;
  FILE* from;
};

static struct running start(char* const* command, const char* program) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe2");
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(in[0], 0), dup2(out[1], 1);
    char* words[16] = {0};
    int count = 0;
    while (command[count] != NULL && count < 14) words[count] = command[count], count++;
    words[count] = (char*)(uintptr_t)program;
    execvp(words[0], words);
    _exit(errno);
  }
  close(in[0]), close(out[1]);
  return (struct running){pid, in[1], fdopen(out[0], "re")};
}

static void tell_answer(const char* what, const struct running* r) {
  char line[64] = "nothing";
  if (fgets(line, sizeof line, r->from) != NULL) line[strcspn(line, "\n")] = 0;
  printf("%s: %s\n", what, line);
}

static void again(const char* what, const struct running* r) {
  if (write(r->to, "\n", 1) != 1) die("write");
  tell_answer(what, r);
}

static void end(const struct running* r) {
  int status;
  close(r->to);
  waitpid(r->pid, &status, 0);
  fclose(r->from);
}

// What an editor in place does: the word in the file becomes another.
static void edit(const char* path) {
  static char bytes[1 << 20];
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  const ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
  char* const word = size < 0 ? NULL : memmem(bytes, (size_t)size, "EDITION-1", 9);
  if (word == NULL || pwrite(fd, "EDITION-2", 9, word - bytes) != 9) die(path);
  close(fd);
}

// How an exec of the path ends: 0 or errno.
static void try_exec(const char* what, const char* path) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(open("/dev/null", O_RDWR), 0), dup2(0, 1);
    execl(path, path, (char*)NULL);
    _exit(errno);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  errno = WEXITSTATUS(status);
  tell_result(what, errno == 0 ? 0 : -1);
}

int main(int argc, char** argv) {
  (void)argc;
  copy_program(kProgram);
  const struct running old = start(argv + 1, kProgram);
  tell_answer("the program says", &old);
  try_open("open for writing", kProgram, O_WRONLY);
  try_open("open for reading and writing", kProgram, O_RDWR);
  try_open("open with O_TRUNC", kProgram, O_WRONLY | O_TRUNC);
  tell_result("truncate", truncate(kProgram, 0));
  try_open("open for reading", kProgram, O_RDONLY);

  copy_program(kNew);
  edit(kNew);
  tell_result("rename of a new one over it", rename(kNew, kProgram));
  again("the program says afterwards", &old);
  const struct running new = start(argv + 1, kProgram);
  tell_answer("the new program says", &new);
  end(&new);
  tell_result("unlink", unlink(kProgram));
  again("the program says in the end", &old);
  end(&old);

  copy_program(kProgram);
  const int writer = open_or_die(kProgram, O_WRONLY);
  try_exec("exec of a program open for writing", kProgram);
  close(writer);
  try_exec("exec of it afterwards", kProgram);
  const int script = open(kScript, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (script < 0 || dprintf(script, "#!%s\n", kProgram) < 0) die(kScript);
  try_exec("exec of a script open for writing", kScript);
  close(script);
  try_exec("exec of it afterwards, too", kScript);
  return 0;
}
