// Bad buffers give EFAULT or a short count, never a signal. Source: read(2), write(2), readv(2), ERRORS.
// clone3 is not asked: for guests it does not exist (ENOSYS, whatever its arguments), and libc falls back to clone.
#include "guest.h"

// Addresses the compiler does not see through.
static char* volatile low = (char*)8;
static char* volatile null = 0;

int main(void) {
  int fd = make_file("file", 8 * PAGE);
  int ends[2];
  MUST(pipe(ends));
  char* area = map_anon(4 * PAGE);
  char* hole = map_anon(3 * PAGE);
  MUST(munmap(hole + PAGE, PAGE));
  char* read_only = map_island(2 * PAGE, PROT_READ, ANON, -1, 0);
  char* none = map_island(2 * PAGE, PROT_NONE, ANON, -1, 0);
  char* behind = map_island(4 * PAGE, RW, MAP_SHARED, make_file("short", PAGE), 0);

  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(read(fd, low, 10));
  SHOW(read(fd, null, 10));
  SHOW(read(fd, (void*)0xffff800000000000, 10));
  SHOW(read(fd, hole + PAGE, 10));
  SHOW(read(fd, read_only, 10));
  SHOW(read(fd, none, 10));
  SHOW(read(fd, behind + 2 * PAGE, 10));
  SHOW(read(fd, low, 0));
  SHOW(write(fd, low, 10));
  SHOW(write(fd, none, 10));
  SHOW(write(fd, hole + PAGE, 10));
  SHOW(write(fd, behind + 2 * PAGE, 10));
  SHOW(write(ends[1], none, 10));
  SHOW(write(ends[1], read_only, 10));
  SHOW(read(ends[0], none, 10));
  SHOW(lseek(fd, 0, SEEK_SET));

  // Part of the buffer is good.
  SHOW(read(fd, hole, 3 * PAGE));
  SHOW(read(fd, hole + PAGE - 5, 10));
  SHOW(pwrite(fd, hole, 3 * PAGE, 0));
  SHOW(read(fd, area, 4 * PAGE));
  struct iovec mixed[3] = {{area, 100}, {none, 100}, {area + PAGE, 100}};
  SHOW(preadv(fd, mixed, 3, 0));
  SHOW(pwritev(fd, mixed, 3, 0));
  SHOW(preadv(fd, (struct iovec*)low, 3, 0));
  SHOW(preadv(fd, (struct iovec*)(hole + PAGE - 8), 1, 0));

  SHOW(open(low, O_RDONLY));
  SHOW(open(none, O_RDONLY));
  SHOW(stat("file", (struct stat*)none));
  SHOW(pipe((int*)read_only));
  SHOW(syscall(SYS_wait4, -1, none, WNOHANG, 0));
  SHOW(syscall(SYS_execve, low, 0, 0));
  SHOW(syscall(SYS_execve, "/bin/true", (char**)low, 0));
  SHOW(syscall(SYS_execve, "/bin/true", (char*[]){low, 0}, 0));
  SHOW(syscall(SYS_rt_sigaction, SIGUSR1, low, 0, 8));
  SHOW(syscall(SYS_rt_sigaction, SIGUSR1, 0, none, 8));
  SHOW(syscall(SYS_futex, none, 0 /* FUTEX_WAIT */, 0, 0, 0, 0));

  // A string that ends just at the border of mapped memory is good.
  char* border = hole + PAGE - 5;
  memcpy(border, "file", 5);
  CHECK(open(border, O_RDONLY) >= 0);
  border[4] = '/';
  SHOW(open(border, O_RDONLY));
  return 0;
}
