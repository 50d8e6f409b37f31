// Shrinking a mapped file takes pages away (SIGBUS) and clears the rest of the last one; growing gives zeros.
// Private copies go as well. Source: mmap(2), ftruncate(2), POSIX mmap.
#include "guest.h"

int main(void) {
  int fd = make_file("file", 5 * PAGE);
  char* shared = map_island(5 * PAGE, RW, MAP_SHARED, fd, 0);
  char* private = map_island(5 * PAGE, RW, MAP_PRIVATE, fd, 0);
  CHECK(shared[4 * PAGE] == 'E' && private[4 * PAGE] == 'E');
  private[3 * PAGE] = 'p';
  private[PAGE] = 'p';
  SHOW(ftruncate(fd, 2 * PAGE + 50));
  TOUCH(Read, shared + 2 * PAGE + 49);
  TOUCH(Read, shared + 3 * PAGE);
  TOUCH(Write, shared + 4 * PAGE);
  TOUCH(Read, private + 3 * PAGE);
  TOUCH(Read, private + 4 * PAGE);
  CHECK(private[PAGE] == 'p');
  CHECK(shared[2 * PAGE + 49] == 'C' && all_are(shared + 2 * PAGE + 50, PAGE - 50, 0));
  SHOW(ftruncate(fd, 5 * PAGE));
  CHECK(all_are(shared + 3 * PAGE, 2 * PAGE, 0));
  CHECK(all_are(private + 3 * PAGE, 2 * PAGE, 0));
  CHECK(all_are(shared + 2 * PAGE + 50, PAGE - 50, 0));
  strcpy(shared + 4 * PAGE, "fresh");
  printf("private sees %s\n", private + 4 * PAGE);
  SHOW(ftruncate(fd, 0));
  TOUCH(Read, shared);
  TOUCH(Read, private);
  SHOW(ftruncate(fd, PAGE));
  CHECK(all_are(shared, PAGE, 0));

  // By another process, and through the name.
  pid_t child = fork_child();
  if (child == 0) leave(truncate("file", 10) == 0 ? 0 : 1);
  show_end("child truncates", child);
  shared[0] = 's';
  TOUCH(Read, shared + PAGE);
  close(MUST(open("file", O_RDWR | O_TRUNC)));
  TOUCH(Read, shared);
  return 0;
}
