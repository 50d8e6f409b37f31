// System calls read from and write to memory that the program has never touched. Source: read(2), write(2), readv(2);
// the kernel takes the page fault itself.
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#include "guest.h"

int main(void) {
  int fd = make_file("file", 40 * PAGE);
  char* fresh = map_anon(64 * PAGE);
  SHOW(pread(fd, fresh + 100, 3 * PAGE, PAGE));
  printf("%d %c %c\n", fresh[99], fresh[100], fresh[100 + 3 * PAGE - 1]);

  // Untouched memory is written out as zeros.
  int out = MUST(open("zeros", O_RDWR | O_CREAT, 0644));
  SHOW(write(out, fresh + 10 * PAGE, 5 * PAGE));
  char* check = malloc(5 * PAGE);
  SHOW(pread(out, check, 5 * PAGE, 0));
  CHECK(all_are(check, 5 * PAGE, 0));

  // From an untouched private file mapping and into one.
  char* file = map_island(40 * PAGE, RW, MAP_PRIVATE, fd, 0);
  SHOW(pwrite(out, file + 7 * PAGE, 2 * PAGE, 0));
  SHOW(pread(out, file + 20 * PAGE, PAGE, 0));
  printf("%c %c %c\n", file[7 * PAGE], file[20 * PAGE], file[21 * PAGE]);

  // Through a pipe and a socket pair, in pieces that cross pages.
  int ends[2];
  MUST(pipe(ends));
  SHOW(write(ends[1], file + 3 * PAGE - 7, 20));
  SHOW(read(ends[0], fresh + 32 * PAGE - 9, 20));
  printf("%.20s\n", fresh + 32 * PAGE - 9);
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  SHOW(send(ends[0], file + 4 * PAGE - 7, 20, 0));
  SHOW(recv(ends[1], fresh + 40 * PAGE - 9, 20, 0));
  printf("%.20s\n", fresh + 40 * PAGE - 9);

  // Structures: stat, times, names, strings.
  struct stat* status = (struct stat*)(fresh + 45 * PAGE - 30);
  SHOW(fstat(fd, status));
  printf("%ld\n", (long)status->st_size);
  struct timespec* now = (struct timespec*)(fresh + 47 * PAGE);
  SHOW((int)syscall(SYS_clock_gettime, CLOCK_REALTIME, now));
  CHECK(now->tv_sec > 0);
  struct utsname* names = (struct utsname*)(fresh + 49 * PAGE - 100);
  SHOW(uname(names));
  printf("%s\n", names->sysname);
  CHECK(getcwd(fresh + 50 * PAGE, PAGE) != 0 && fresh[50 * PAGE] == '/');
  char* name = map_island(PAGE, PROT_READ, MAP_PRIVATE, make_file_read_only("a name", PAGE), 0);
  SHOW(open(name, O_RDONLY));
  name = map_island(PAGE, PROT_READ, MAP_PRIVATE, make_file_read_only("another", 5), 0);
  SHOW(open(name, O_RDONLY));
  SHOW(mkdir(name, 0755));
  SHOW(readlink("/proc/self/exe", fresh + 52 * PAGE - 4, 100) > 4);

  // Between processes of a pair.
  pid_t child = fork_child();
  if (child == 0) {
    MUST(write(ends[0], fresh + 60 * PAGE, 2 * PAGE));
    leave(0);
  }
  size_t got = 0;
  while (got < 2 * PAGE) got += (size_t)MUST(read(ends[1], fresh + 62 * PAGE + got, 2 * PAGE - got));
  CHECK(all_are(fresh + 62 * PAGE, 2 * PAGE, 0));
  show_end("child", child);
  return 0;
}
