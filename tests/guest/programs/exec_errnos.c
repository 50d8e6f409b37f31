// Every way in which execve is refused; the caller lives on with its memory. Source: execve(2), ERRORS.
#include "guest.h"

static void write_file(const char* name, const char* text, mode_t mode) {
  int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  MUST(write(fd, text, strlen(text)));
  MUST(fchmod(fd, mode));
  close(fd);
}

static void attempt(const char* path) {
  execl(path, path, (char*)0);
  printf("%s: %s\n", path, errno_name(errno));
}

int main(void) {
  char* area = map_anon(4 * PAGE);
  memset(area, 'm', 2 * PAGE);
  write_file("no permission", "#!/bin/sh\n", 0644);
  write_file("no format", "neither a script nor a program", 0755);
  write_file("empty", "", 0755);
  write_file("script without interpreter", "#!/no/such/interpreter\n", 0755);
  write_file("script of nothing", "#!\n", 0755);
  write_file("cut program", "\177ELF\2\1\1", 0755);
  write_file("recursive", "#!./recursive\n", 0755);
  MUST(symlink("loop", "loop"));
  MUST(mkdir("directory", 0755));
  attempt("missing");
  attempt("");
  attempt("no permission");
  attempt("no format");
  attempt("empty");
  attempt("script without interpreter");
  attempt("script of nothing");
  attempt("cut program");
  attempt("recursive");
  attempt("loop");
  attempt("directory");
  attempt("no format/below");
  attempt("directory/missing");
  char* long_name = malloc(8 * PAGE);
  memset(long_name, 'n', 8 * PAGE - 1);
  long_name[300] = 0;
  SHOW(execl(long_name, "x", (char*)0));
  memset(long_name, 'n', 8 * PAGE - 1);
  long_name[8 * PAGE - 1] = 0;
  SHOW(execl(long_name, "x", (char*)0));

  // One string over 128 KiB, and too much in all.
  char* huge = malloc(132 * KIB);
  memset(huge, 'h', 132 * KIB - 1);
  huge[132 * KIB - 1] = 0;
  SHOW(execl("/bin/true", "true", huge, (char*)0));
  huge[100 * KIB] = 0;
  char* many[102];
  for (int i = 0; i < 101; ++i) many[i] = huge;
  many[101] = 0;
  SHOW(execv("/bin/true", many));

  // A file open for writing is busy.
  int in = MUST(open("/bin/true", O_RDONLY)), out = MUST(open("copy of true", O_WRONLY | O_CREAT, 0755));
  copy_rest(in, out);
  attempt("copy of true");
  close(out);
  SHOW(syscall(SYS_execveat, AT_FDCWD, "missing", (char*[]){"x", 0}, 0, 0x8000));
  SHOW(syscall(SYS_execveat, 999, "missing", (char*[]){"x", 0}, 0, 0));
  SHOW(syscall(SYS_execveat, in, "x", (char*[]){"x", 0}, 0, 0));
  SHOW(syscall(SYS_execveat, AT_FDCWD, "loop", (char*[]){"x", 0}, 0, AT_SYMLINK_NOFOLLOW));
  CHECK(all_are(area, 2 * PAGE, 'm') && all_are(area + 2 * PAGE, 2 * PAGE, 0));
  fflush(stdout);
  attempt("./copy of true");
  return 1;
}
