// RLIMIT_FSIZE: a write is cut at the limit, behind it there is SIGXFSZ and EFBIG; stores through mappings are not limited, and
// msync of a page behind the limit succeeds. Source: setrlimit(2), write(2), fs/read_write.c (generic_write_check_limits).
#include "guest.h"

static volatile int signals;
static void on_xfsz(int number) { signals += number == SIGXFSZ; }

static void show_size(const char* what, int fd) {
  struct stat status;
  MUST(fstat(fd, &status));
  printf("%s: %ld bytes, %d signals\n", what, (long)status.st_size, signals);
}

static void calls(const char* name, bool mapped) {
  printf("-- %s\n", mapped ? "mapped" : "not mapped");
  static char bytes[3 * 4096];
  int fd = make_file(name, 3 * PAGE), end = MUST(open(name, O_WRONLY | O_APPEND));
  if (mapped) *(volatile char*)map_island(3 * PAGE, RW, MAP_SHARED, fd, 0) = 1;
  struct rlimit limit = {4 * PAGE + 100, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
  MUST(setrlimit(RLIMIT_FSIZE, &limit));
  SHOW(pwrite(fd, bytes, sizeof bytes, 3 * PAGE));
  SHOW(pwrite(fd, bytes, 10, 4 * PAGE + 100));
  show_size("pwrite", fd);
  SHOW(write(end, bytes, 1));
  SHOW(ftruncate(fd, 4 * PAGE + 100));
  SHOW(ftruncate(fd, 4 * PAGE + 101));
  SHOW(truncate(name, 5 * PAGE));
  SHOW(fallocate(fd, 0, 0, 5 * PAGE));
  SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 5 * PAGE));
  show_size("changes of the size", fd);
  MUST(ftruncate(fd, 2 * PAGE));
  SHOW(write(end, bytes, sizeof bytes));
  show_size("append", fd);
  limit.rlim_cur = 10;
  MUST(setrlimit(RLIMIT_FSIZE, &limit));
  char* map = map_island(2 * PAGE, RW, MAP_SHARED, fd, 0);
  map[PAGE] = 'x';
  SHOW(msync(map, 2 * PAGE, MS_SYNC));
  SHOW(fsync(fd));
  char byte = 0;
  SHOW(pread(fd, &byte, 1, PAGE));
  CHECK(byte == 'x');
  show_size("stores", fd);
  MUST(setrlimit(RLIMIT_FSIZE, &none));
}

int main(void) {
  struct sigaction action = {.sa_handler = on_xfsz};
  MUST(sigaction(SIGXFSZ, &action, 0));
  calls("one", false);
  calls("two", true);
  fflush(stdout);
  pid_t child = fork_child();
  if (child == 0) {
    // The limit of a child of an ordinary user, which cannot be raised again.
    if (geteuid() == 0) MUST(chmod(".", 0777)), MUST(setgid(65534)), MUST(setuid(65534));
    struct rlimit hard = {PAGE, PAGE};
    signal(SIGXFSZ, SIG_DFL);
    int fd = MUST(open("three", O_RDWR | O_CREAT, 0600));
    MUST(setrlimit(RLIMIT_FSIZE, &hard));
    static char bytes[4096];
    SHOW(write(fd, bytes, sizeof bytes));
    fflush(stdout);
    MUST(write(fd, bytes, 1));
    leave(0);
  }
  show_end("beyond a hard limit", child);
  return 0;
}
