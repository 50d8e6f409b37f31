// Files on an overlay file system: of the upper layer, and of the lower one, which are copied up when they are opened for
// writing. Descriptors made before that stay with the lower file; stat tells one file throughout. Source:
// Documentation/filesystems/overlayfs.rst, "Non-standard behavior".
#include <sys/mount.h>

#include "guest.h"

static void show_word(const char* what, const char* from) { printf("%s: %.4s\n", what, from); }

static void show_read(const char* what, int fd, off_t at) {
  char word[5] = "";
  long n = pread(fd, word, 4, at);
  printf("%s: %s (%ld)\n", what, word, n);
}

static void upper(void) {
  int fd = make_file("merged/new", 3 * PAGE);
  char* shared = map_island(3 * PAGE, RW, MAP_SHARED, fd, 0);
  char* private = map_island(3 * PAGE, RW, MAP_PRIVATE, fd, 0);
  memcpy(shared, "stor", 4);
  show_read("upper, stored", fd, 0);
  MUST(pwrite(fd, "call", 4, PAGE));
  show_word("upper, written, shared", shared + PAGE);
  show_word("upper, written, private", private + PAGE);
  SHOW(msync(shared, 3 * PAGE, MS_SYNC));
  MUST(rename("merged/new", "merged/renamed"));
  memcpy(shared + 2 * PAGE, "last", 4);
  SHOW(fsync(fd));
  int again = MUST(open("merged/renamed", O_RDONLY));
  show_read("upper, renamed", again, 2 * PAGE);
  int below = MUST(open("upper/renamed", O_RDONLY));
  show_read("the same file from below", below, 2 * PAGE);
  SHOW(ftruncate(fd, PAGE));
  TOUCH(Read, shared + PAGE);
  TOUCH(Read, private + PAGE);
  MUST(unlink("merged/renamed"));
  memcpy(shared, "gone", 4);
  show_read("upper, unlinked", again, 0);
}

static void copied_up(void) {
  int before = MUST(open("merged/low", O_RDONLY));
  char* shared = map_island(2 * PAGE, PROT_READ, MAP_SHARED, before, 0);
  show_word("lower", shared);
  int writer = MUST(open("merged/low", O_RDWR));
  MUST(pwrite(writer, "copy", 4, 0));
  show_read("copied up, read", writer, 0);
  int after = MUST(open("merged/low", O_RDONLY));
  show_read("opened afterwards", after, 0);
  char* mapped = map_island(2 * PAGE, RW, MAP_SHARED, writer, 0);
  show_word("mapped afterwards", mapped);
  memcpy(mapped + PAGE, "stor", 4);
  show_read("stored, opened afterwards", after, PAGE);
  int low = MUST(open("lower/low", O_RDONLY));
  show_read("the lower file", low, 0);
}

int main(void) {
  if (geteuid() != 0) skip("mounting needs root");
  MUST(mkdir("lower", 0755)), MUST(mkdir("upper", 0755)), MUST(mkdir("work", 0755)), MUST(mkdir("merged", 0755));
  close(make_file("lower/low", 2 * PAGE));
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) skip("no mount namespace");
  if (mount("overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work") != 0) skip("no overlayfs");
  upper();
  copied_up();
  return 0;
}
