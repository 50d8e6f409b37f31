// argv[0] is whatever the caller says, even absent; the environment is passed as it is. Source: execve(2).
#include <sys/auxv.h>

#include "guest.h"

extern char** environ;

static void tell(int argc, char** argv) {
  printf("argc %d, argv[0] [%s]\n", argc, argv[0] ? argv[0] : "(none)");
  for (char** variable = environ; *variable; ++variable) printf("  %s\n", *variable);
  char* name = (char*)getauxval(AT_EXECFN);
  printf("AT_EXECFN %s\n", strrchr(name, '/') ? "has a slash" : name);
  CHECK(getauxval(AT_PAGESZ) == PAGE);
  CHECK(getauxval(AT_RANDOM) != 0 && getauxval(AT_SYSINFO_EHDR) != 0);
  CHECK(getauxval(AT_PHDR) != 0 && getauxval(AT_ENTRY) != 0);
  CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
  printf("AT_SECURE %lu\n", getauxval(AT_SECURE));
}

static void again(const char* title, char* const argv[], char* const envp[]) {
  printf("-- %s\n", title);
  pid_t child = fork_child();
  if (child == 0) {
    execve("/proc/self/exe", argv, envp);
    leave(1);
  }
  show_end(title, child);
}

int main(int argc, char** argv) {
  if (!getenv("GUEST_DIR")) {
    tell(argc, argv);
    return 0;
  }
  again("another name", (char*[]){"-login", "x", 0}, (char*[]){"A=1", "B=2 3", "A=twice", "no equals sign", "=", 0});
  again("an empty name", (char*[]){"", 0}, (char*[]){0});
  again("no arguments", (char*[]){0}, (char*[]){"Z=z", 0});
  again("no vectors", 0, 0);
  return 0;
}
