// After a drop to another user, a file that only that user may read and execute runs, and root's do not.
// Source: execve(2), credentials(7), setresuid(2).
#include <grp.h>
#include <sys/prctl.h>

#include "guest.h"

static void copy_program(const char* from, const char* to, uid_t owner, mode_t mode) {
  int in = MUST(open(from, O_RDONLY)), out = MUST(open(to, O_WRONLY | O_CREAT, 0700));
  copy_rest(in, out);
  MUST(fchown(out, owner, owner));
  MUST(fchmod(out, mode));
  close(out);
  close(in);
}

static void start(const char* path, const char* argument) {
  pid_t child = fork_child();
  if (child == 0) {
    execl(path, path, argument, (char*)0);
    printf("%s: %s\n", path, errno_name(errno));
    leave(1);
  }
  show_end(path, child);
}

int main(int argc, char** argv) {
  if (argc > 1) {
    printf("%s as uid %d\n", argv[1], getuid());
    char* own = map_anon(4 * PAGE);
    memset(own, 'd', 4 * PAGE);
    pid_t child = fork_child();
    if (child == 0) leave(all_are(own, 4 * PAGE, 'd') ? 7 : 1);
    show_end("its child", child);
    SHOW(prctl(PR_GET_DUMPABLE));
    return 0;
  }
  if (geteuid() != 0) skip("a drop of privileges needs root");
  copy_program("/proc/self/exe", "theirs", 65534, 0700);
  copy_program("/proc/self/exe", "roots", 0, 0700);
  copy_program("/proc/self/exe", "execute only", 0, 0711);
  copy_program("/bin/id", "set user", 65534, 04755);
  MUST(symlink("theirs", "link to theirs"));
  pid_t child = fork_child();
  if (child == 0) {
    char* before = map_anon(PAGE);
    memset(before, 'b', PAGE);
    MUST(setgroups(0, 0));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534));
    CHECK(all_are(before, PAGE, 'b'));
    char* after = map_anon(PAGE);
    CHECK(all_are(after, PAGE, 0));
    start("./theirs", "a file of mode 0700");
    start("./link to theirs", "through a link");
    start("./roots", "never");
    start("./execute only", "a file that cannot be read");
    CHECK(open("execute only", O_RDONLY) == -1 && errno == EACCES);
    CHECK(open("roots", O_RDONLY) == -1 && errno == EACCES);
    CHECK(setuid(0) == -1 && errno == EPERM);
    leave(0);
  }
  show_end("the dropped child", child);
  start("./theirs", "root may, too");
  return 0;
}
