// Several processes map one file, by descriptors of their own and by one they inherited, and store into the same pages at the
// same time while others read, write, synchronise: no store is lost, atomic counters are exact, and at the end the file has
// it all. Source: mmap(2), MAP_SHARED.
#include "guest.h"

enum { kProcesses = 4, kPages = 16, kRounds = 400 };

struct counters {
  long sum;
  unsigned char of[kProcesses];  // the last round of each
};

static struct counters* counters_at(char* map, int page) { return (struct counters*)(map + (size_t)page * PAGE); }

static void work(int self, char* map, int fd) {
  for (int round = 1; round <= kRounds; ++round) {
    int page = (round * 7 + self) % kPages;
    __atomic_add_fetch(&counters_at(map, page)->sum, self + 1, __ATOMIC_SEQ_CST);
    counters_at(map, page)->of[self] = (unsigned char)round;
    if (round % 40 == self) msync(map, kPages * PAGE, MS_SYNC);
    if (round % 97 == 0) fdatasync(fd);
    struct counters seen;
    if (round % 50 == 0 && (pread(fd, &seen, sizeof seen, page * (off_t)PAGE) != sizeof seen || seen.of[self] != (unsigned char)round))
      printf("process %d, round %d: its own store does not show\n", self, round);
    long mark = round;
    if (round % 25 == 0) MUST(pwrite(fd, &mark, sizeof mark, page * (off_t)PAGE + 1000 + self * 8));
    if (round % 25 == 0 && *(volatile long*)(map + (size_t)page * PAGE + 1000 + self * 8) != mark)
      printf("process %d, round %d: its own write does not show\n", self, round);
  }
}

int main(void) {
  int fd = MUST(open("file", O_RDWR | O_CREAT, 0644));
  MUST(ftruncate(fd, kPages * PAGE));
  char* inherited = map_island(kPages * PAGE, RW, MAP_SHARED, fd, 0);
  pid_t children[kProcesses];
  for (int i = 0; i < kProcesses; ++i) {
    children[i] = fork_child();
    if (children[i] != 0) continue;
    int own = i % 2 == 0 ? fd : MUST(open("file", O_RDWR));
    char* map = i % 2 == 0 ? inherited : map_island(kPages * PAGE, RW, MAP_SHARED, own, 0);
    work(i, map, own);
    leave(0);
  }
  for (int i = 0; i < kProcesses; ++i) show_end("child", children[i]);
  long sum = 0, in_file = 0;
  for (int page = 0; page < kPages; ++page) {
    struct counters seen;
    MUST(pread(fd, &seen, sizeof seen, page * (off_t)PAGE));
    sum += counters_at(inherited, page)->sum;
    in_file += seen.sum;
  }
  printf("sum: mapped %ld, read %ld\n", sum, in_file);
  return 0;
}
