// A writer appears while threads store into private mappings of the file: no store is lost, untouched pages follow the
// file, a forked child has copies of its own. Source: mmap(2), MAP_PRIVATE.
#include "guest.h"

enum { kThreads = 4, kPages = 16, kRounds = 20000 };
static char* private;

static void* count(void* argument) {
  long thread = (long)argument;
  for (long round = 0; round < kRounds; ++round)
    for (long page = thread; page < kPages; page += 2 * kThreads) ++*(volatile long*)(private + page * PAGE + 64);
  return 0;
}

static void rewrite(int page, const char* text) {
  pid_t child = fork_child();
  if (child == 0) {
    int fd = MUST(open("file", O_WRONLY));
    MUST(pwrite(fd, text, strlen(text), page * (off_t)PAGE));
    leave(0);
  }
  show_end("rewritten", child);
}

int main(void) {
  int fd = make_file_read_only("file", kPages * PAGE);
  private = map_island(kPages * PAGE, RW, MAP_PRIVATE, fd, 0);
  char* second = map_island(kPages * PAGE, RW, MAP_PRIVATE, fd, 0);
  char* read_only = map_island(kPages * PAGE, RW, MAP_PRIVATE, fd, 0);
  for (long page = 0; page < kThreads; ++page) memset(private + page * PAGE + 64, 0, 8);
  for (long page = 2 * kThreads; page < 3 * kThreads; ++page) memset(private + page * PAGE + 64, 0, 8);
  second[5 * PAGE] = 's';
  read_only[6 * PAGE] = 'r';
  MUST(mprotect(read_only, kPages * PAGE, PROT_READ));
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], 0, count, (void*)i);
  rewrite(5, "first");
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], 0);
  long lost = 0;
  for (long page = 0; page < kPages; ++page)
    if (page % (2 * kThreads) < kThreads) lost += kRounds - *(long*)(private + page * PAGE + 64);
  printf("%ld stores lost\n", lost);
  printf("private: %.5s, second: %.5s, read-only: %.5s %.5s\n", private + 5 * PAGE, second + 5 * PAGE,
         read_only + 5 * PAGE, read_only + 6 * PAGE);
  rewrite(6, "again");
  printf("private: %.5s, second: %.5s, read-only: %.5s\n", private + 6 * PAGE, second + 6 * PAGE, read_only + 6 * PAGE);
  TOUCH(Write, read_only);
  pid_t child = fork_child();
  if (child == 0) {
    private[5 * PAGE] = second[6 * PAGE] = 'c';
    printf("child: %.5s %.5s\n", private + 5 * PAGE, second + 6 * PAGE);
    leave(0);
  }
  show_end("child", child);
  printf("parent: %.5s %.5s\n", private + 5 * PAGE, second + 6 * PAGE);
  return 0;
}
