// O_TRUNC in all its forms under mappings: creat, open, openat, openat2, by links, through descriptors of directories, without the
// rights. What is returned is open as asked for. Source: open(2), openat2(2).
#include <linux/openat2.h>

#include "guest.h"

static char *shared, *private;

static void show_state(const char* what, int fd) {
  if (fd < 0) {
    printf("%s: %s", what, errno_name(errno));
  } else {
    int flags = fcntl(fd, F_GETFL);
    printf("%s: mode %d append %d cloexec %d", what, flags & O_ACCMODE, (flags & O_APPEND) != 0, fcntl(fd, F_GETFD));
    close(fd);
  }
  printf("; shared %s, private %s\n", touch(shared + PAGE, Read), touch(private + PAGE, Read));
  int again = MUST(open("file", O_RDWR));
  MUST(ftruncate(again, 3 * PAGE));
  close(again);
}

static long openat2_of(int directory, const char* path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = flags & O_CREAT ? 0644 : 0, .resolve = resolve};
  return syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int main(void) {
  MUST(mkdir("dir", 0755));
  int fd = make_file("file", 3 * PAGE);
  MUST(link("file", "dir/hard")), MUST(symlink("../file", "dir/soft"));
  shared = map_island(3 * PAGE, RW, MAP_SHARED, fd, 0);
  private = map_island(3 * PAGE, RW, MAP_PRIVATE, fd, 0);
  int dir = MUST(open("dir", O_RDONLY | O_DIRECTORY));
  shared[PAGE] = 'x';
  show_state("creat", creat("file", 0600));
  show_state("read-only", open("file", O_RDONLY | O_TRUNC));
  show_state("append", open("file", O_WRONLY | O_TRUNC | O_APPEND | O_CLOEXEC));
  show_state("create", open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
  show_state("exclusive", open("file", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0600));
  show_state("hard link", openat(dir, "hard", O_RDWR | O_TRUNC));
  show_state("symbolic link", openat(dir, "soft", O_RDWR | O_TRUNC));
  show_state("symbolic link, not followed", openat(dir, "soft", O_RDWR | O_TRUNC | O_NOFOLLOW));
  show_state("path only", open("file", O_PATH | O_TRUNC));
  show_state("directory", open("file", O_DIRECTORY | O_RDONLY | O_TRUNC));
  show_state("openat2", (int)openat2_of(dir, "hard", O_RDWR | O_TRUNC, 0));
  show_state("openat2, no links", (int)openat2_of(dir, "soft", O_RDWR | O_TRUNC, RESOLVE_NO_SYMLINKS));
  show_state("openat2, beneath", (int)openat2_of(dir, "soft", O_RDWR | O_TRUNC, RESOLVE_BENEATH));
  show_state("openat2, in root", (int)openat2_of(dir, "/hard", O_RDWR | O_TRUNC, RESOLVE_IN_ROOT));
  show_state("openat2, absolute beneath", (int)openat2_of(dir, "/hard", O_RDWR | O_TRUNC, RESOLVE_BENEATH));
  printf("truncate: %d %s\n", truncate("dir/soft", PAGE), touch(shared + PAGE, Read));
  MUST(ftruncate(fd, 3 * PAGE));
  if (geteuid() == 0) {
    MUST(chmod("file", 0644)), MUST(chmod(".", 0755));
    pid_t child = fork_child();
    if (child == 0) {
      MUST(setgid(65534)), MUST(setuid(65534));
      printf("without the rights: %d %s\n", open("file", O_WRONLY | O_TRUNC), errno_name(errno));
      printf("without the rights: %d %s\n", truncate("file", 0), errno_name(errno));
      printf("still there: %s\n", touch(shared + PAGE, Read));
      leave(0);
    }
    show_end("child", child);
  }
  return 0;
}
