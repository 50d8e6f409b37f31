// Reads and writes of regular files are never interrupted, whatever the handler's flags; those of pipes are, and so
// are copies by the kernel (sendfile, copy_file_range). Source: signal(7),
// "Interruption of system calls"; fs/read_write.c.
#include <sys/sendfile.h>
#include <sys/time.h>

#include "guest.h"

static volatile long ticks;
static void tick(int number) { ticks += number == SIGALRM; }

enum { kMost = 16 };
static long interrupted[kMost], short_ones;

static void count(int which, long result, long wanted) {
  if (result == -1 && errno == EINTR)
    ++interrupted[which];
  else if (result != wanted)
    ++short_ones;
}

static void round_of_calls(int fd, int other, char* mapped) {
  static char bytes[5000];
  struct iovec parts[2] = {{bytes, 100}, {bytes + 200, 4000}};
  mapped[1]++;
  MUST(lseek(fd, 0, SEEK_SET));
  count(1, write(fd, bytes, sizeof bytes), sizeof bytes);
  count(2, writev(fd, parts, 2), 4100);
  MUST(lseek(fd, 0, SEEK_SET));
  mapped[2]++;
  count(3, read(fd, bytes, sizeof bytes), sizeof bytes);
  count(4, readv(fd, parts, 2), 4100);
  count(5, pread(fd, bytes, 10, 0), 10);
  count(6, pwrite(fd, bytes, 10, 0), 10);
  count(7, ftruncate(other, 4096), 0);
}

int main(void) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = 0};
  MUST(sigaction(SIGALRM, &action, 0));
  int fd = make_file("file", 3 * PAGE), other = make_file("other", PAGE), ends[2];
  char* mapped = map_island(3 * PAGE, RW, MAP_SHARED, fd, 0);
  struct itimerval every = {{0, 500}, {0, 500}}, never = {0}, once = {{0, 0}, {0, 50000}};
  MUST(setitimer(ITIMER_REAL, &every, 0));
  while (ticks < 1000) round_of_calls(fd, other, mapped);
  MUST(setitimer(ITIMER_REAL, &never, 0));
  for (int i = 0; i < kMost; ++i)
    if (interrupted[i] != 0) printf("call %d was interrupted %ld\n", i, interrupted[i]);
  printf("short: %ld\n", short_ones);

  char byte;
  MUST(pipe(ends));
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(read(ends[0], &byte, 1));
  struct iovec one = {&byte, 1};
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(readv(ends[0], &one, 1));
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  while (write(ends[1], &byte, 1) == 1) {
  }
  fcntl(ends[1], F_SETFL, 0);
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(write(ends[1], &byte, 1));
  MUST(setitimer(ITIMER_REAL, &once, 0));
  SHOW(sendfile(ends[1], fd, 0, 100));
  return 0;
}
