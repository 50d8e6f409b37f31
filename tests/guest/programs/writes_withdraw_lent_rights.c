// Whoever changes a file that lends its owner's or group's rights takes them away, unless privileged. Root is not in a user
// namespace of its own. Source: write(2), inode(7), user_namespaces(7), fs/inode.c (file_remove_privs).
#include "guest.h"

static void show_after(const char* what, int fd) {
  struct stat status;
  MUST(fstat(fd, &status));
  printf("%s: %04o\n", what, status.st_mode & 07777);
}

static void change(const char* what, int fd) {
  MUST(fchmod(fd, 06775));
  const bool cloned = strstr(what, "cloned"), unshared = strstr(what, "unshared");
  if ((cloned ? syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) : fork()) == 0) {
    if (unshared) MUST(unshare(CLONE_NEWUSER));
    if (*what != 'R' && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(1);
    int own = cloned || unshared ? fd : MUST(open("lender", O_RDWR));
    if (strstr(what, "write")) MUST(write(own, "x", 1));
    if (strstr(what, "truncate")) MUST(ftruncate(own, 100));
    if (strstr(what, "fallocate")) MUST(posix_fallocate(own, 0, 20000));
    _exit(0);
  }
  int status;
  MUST(wait(&status));
  if (status != 0) printf("failed: ");
  show_after(what, fd);
}

int main(void) {
  if (geteuid() != 0) skip("needs root to drop it");
  MUST(chmod(".", 0777));
  int fd = MUST(open("lender", O_RDWR | O_CREAT, 0600));
  MUST(write(fd, "text", 4));
  MUST(fchown(fd, 65534, 65534));
  change("write", fd);
  change("truncate", fd);
  change("fallocate", fd);
  change("Root's write", fd);
  change("Root's write, unshared", fd);
  change("Root's write, cloned", fd);
  MUST(fchmod(fd, 02765));
  show_after("group without execution", fd);
  return 0;
}
