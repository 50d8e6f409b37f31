// A page that begins beyond the end of its file cannot be had: SIGBUS, or EFAULT inside a call. The rest of the last page
// is zero. Source: mmap(2), "SIGBUS"; read(2).
#include "guest.h"

int main(void) {
  int fd = make_file_read_only("file", 2 * PAGE + 5);
  char* shared = map_island(6 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  char* private = map_island(6 * PAGE, RW, MAP_PRIVATE, fd, 0);
  TOUCH(Read, shared);
  TOUCH(Read, shared + 2 * PAGE + 100);
  TOUCH(Read, shared + 3 * PAGE);
  TOUCH(Read, shared + 5 * PAGE);
  TOUCH(Write, shared);
  TOUCH(Write, shared + 4 * PAGE);
  TOUCH(Read, private);
  TOUCH(Write, private + 2 * PAGE + 100);
  TOUCH(Read, private + 3 * PAGE);
  TOUCH(Write, private + 4 * PAGE);
  TOUCH(Read, private + 5 * PAGE);
  CHECK(private[2 * PAGE + 4] == 'C' && private[2 * PAGE + 6] == 0 && private[2 * PAGE + 100] == 'w');
  int other = MUST(open("other", O_RDWR | O_CREAT | O_TRUNC, 0644));
  SHOW(write(other, shared + 3 * PAGE, 10));
  SHOW(write(other, private + 5 * PAGE, 10));
  SHOW(read(fd, private + 4 * PAGE, 10));
  SHOW(write(other, shared + 2 * PAGE, 2 * PAGE));
  SHOW(madvise(shared, 6 * PAGE, MADV_POPULATE_READ));
  SHOW(mlock(private, 3 * PAGE));
  pid_t child = fork_child();
  if (child == 0) {
    TOUCH(Read, private + 3 * PAGE);
    TOUCH(Write, shared + 3 * PAGE);
    leave(0);
  }
  show_end("child", child);
  return 0;
}
