// #! scripts: the interpreter's one argument, scripts interpreted by scripts, what argv becomes. Source: execve(2),
// Interpreter scripts.
#include "guest.h"

static void script(const char* name, const char* first_line, const char* rest) {
  int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  dprintf(fd, "%s\n%s", first_line, rest);
  close(fd);
}

// As an interpreter this program shows its arguments; its own path is cut to the last part.
static int show_arguments(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) {
    char* slash = strrchr(argv[i], '/');
    printf("%d: [%s]\n", i, slash && i == 0 ? slash + 1 : argv[i]);
  }
  return 0;
}

static void start(const char* path) {
  printf("-- %s\n", path);
  pid_t child = fork_child();
  if (child == 0) {
    execl(path, "name given", "one", "two", (char*)0);
    printf("%s\n", errno_name(errno));
    leave(1);
  }
  show_end(path, child);
}

int main(int argc, char** argv) {
  if (argc > 1) return show_arguments(argc, argv);
  // A short name for this program: the first line of a script is cut at 256 bytes.
  char self[4096];
  ssize_t length = MUST(readlink("/proc/self/exe", self, sizeof self - 1));
  self[length] = 0;
  MUST(symlink(self, "show"));
  script("plain", "#!./show", "");
  script("argument", "#!./show -a  b c  ", "");
  script("spaces", "#!  \t ./show", "");
  script("second", "#!./plain", "");
  script("third", "#!./second -x", "");
  script("fourth", "#!./third", "");
  script("fifth", "#!./fourth", "");
  script("sixth", "#!./fifth", "");
  script("shell", "#!/bin/sh -e", "echo shell $0 $1 $2\nfalse\necho never\n");
  script("no newline", "#!/bin/sh", "echo no newline");
  start("./plain");
  start("./argument");
  start("./spaces");
  start("./second");
  start("./third");
  start("./fourth");
  start("./fifth");
  start("./sixth");
  start("./shell");
  start("./no newline");
  return 0;
}
