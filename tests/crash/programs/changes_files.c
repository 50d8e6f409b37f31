// Changes files in the directory `argv[2]` in the way that `argv[1]` names. Each step is one event of the recording.
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kPage = 4096 };

static void must(int good, const char* what) {
  if (good) return;
  perror(what);
  exit(errno == EOPNOTSUPP ? 77 : 1);
}
#define MUST(call) must((call) >= 0, #call)

static char page[kPage];
static const char* bytes(char c) { return memset(page, c, kPage); }

static int made(const char* name, int pages) {
  const int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  MUST(fd);
  for (int i = 0; i < pages; ++i) MUST(pwrite(fd, bytes((char)('a' + i)), kPage, i * kPage));
  return fd;
}

static void names(void) {
  close(made("a", 1)), close(made("b", 1));
  MUST(rename("a", "b"));  // over
  MUST(link("b", "c"));
  MUST(unlink("b"));
  MUST(mkdir("d", 0755));
  MUST(rename("c", "d/e"));
  MUST(symlink("d/e", "s"));
}

static void nameless(void) {
  const int fd = open(".", O_TMPFILE | O_RDWR, 0644);
  MUST(fd);
  MUST(pwrite(fd, bytes('t'), kPage, 0));
  char path[64];
  sprintf(path, "/proc/self/fd/%d", fd);
  MUST(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
  MUST(pwrite(fd, bytes('u'), kPage, kPage));
}

static void copies(void) {
  const int from = made("from", 3), by_range = made("by_range", 0), by_sendfile = made("by_sendfile", 0), by_splice = made("by_splice", 0);
  loff_t in = 0, out = 0;
  MUST(copy_file_range(from, &in, by_range, &out, 2 * kPage, 0));
  off_t start = kPage;
  MUST(sendfile(by_sendfile, from, &start, kPage));
  int ends[2];
  MUST(pipe(ends));
  in = 2 * kPage;
  MUST(splice(from, &in, ends[1], NULL, kPage, 0));
  MUST(splice(ends[0], NULL, by_splice, NULL, kPage, 0));
}

static void descriptors(void) {
  const int fd = made("a", 0), twin = dup(fd), third = fcntl(fd, F_DUPFD, 50), append = open("a", O_WRONLY | O_APPEND);
  MUST(dup2(twin, 40));
  MUST(write(fd, bytes('1'), kPage));
  MUST(write(twin, bytes('2'), kPage));  // where the first ended
  MUST(write(third, bytes('3'), kPage));
  struct iovec parts[2] = {{page, 10}, {page, 20}};
  MUST(writev(40, parts, 2));
  MUST(close(fd));
  MUST(write(append, bytes('5'), kPage));
  MUST(pwritev(third, parts, 2, 100));
}

static void mapping(void) {
  const int fd = made("a", 4);
  volatile char* const map = mmap(NULL, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(map != MAP_FAILED, "mmap");
  close(fd);
  map[0] = 'X';
  map[3 * kPage] = 'Y';
  map[0] = 'Z';
  MUST(msync((void*)map, 4 * kPage, MS_SYNC));
  MUST(truncate("a", 3 * kPage));
}

static void processes(void) {
  const int fd = made("a", 2);
  volatile char* const map = mmap(NULL, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(map != MAP_FAILED, "mmap");
  map[0] = 'P';
  const pid_t child = fork();
  if (child == 0) {
    map[kPage] = 'C';
    MUST(pwrite(fd, bytes('c'), kPage, 2 * kPage));
    close(made("b", 1));
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  map[1] = 'Q';
  MUST(pwrite(fd, bytes('p'), kPage, 3 * kPage));
}

static void room(void) {
  const int fd = made("a", 4);
  MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kPage, kPage));
  MUST(fallocate(fd, 0, 4 * kPage, kPage));
  MUST(fallocate(fd, FALLOC_FL_KEEP_SIZE, 6 * kPage, kPage));
  MUST(fallocate(fd, FALLOC_FL_ZERO_RANGE, 2 * kPage, kPage));
  MUST(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, kPage, kPage));
  MUST(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, kPage));
  MUST(ftruncate(fd, 2 * kPage));
}

// Each step in a function of its own.
#define STEP(name, call) \
  static __attribute__((noinline)) void name(void) { MUST(call); __asm__ volatile(""); }
STEP(creates, open("a", O_RDWR | O_CREAT, 0644))
STEP(renames, rename("a", "b"))
STEP(links, link("b", "c"))
STEP(makes_a_directory, mkdir("d", 0755))
STEP(makes_a_link, symlink("b", "s"))
STEP(unlinks, unlink("c"))
STEP(truncates, truncate("b", kPage))
STEP(truncates_by_opening, open("b", O_RDWR | O_TRUNC))
STEP(removes, rmdir("d"))

static void places(void) {
  creates(), renames(), links(), makes_a_directory(), makes_a_link();
  unlinks(), truncates(), truncates_by_opening(), removes();
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(void);
  } kWays[] = {{"names", names},     {"nameless", nameless},   {"copies", copies}, {"descriptors", descriptors},
               {"mapping", mapping}, {"processes", processes}, {"room", room},
               {"places", places}};
  if (argc < 3 || chdir(argv[2]) != 0) return 2;
  for (size_t i = 0; i < sizeof kWays / sizeof *kWays; ++i)
    if (strcmp(argv[1], kWays[i].name) == 0) return kWays[i].run(), 0;
  return 2;
}
