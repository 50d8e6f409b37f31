// A shared mapping and read(2)/write(2) are views of one thing, at once and in both directions. Source: mmap(2).
#include "guest.h"

static void show(const char* title, const char* text) { printf("%s: %.12s\n", title, text); }

int main(void) {
  int fd = make_file("file", 4 * PAGE);
  char* area = map_island(4 * PAGE, RW, MAP_SHARED, fd, 0);
  char text[32] = "";
  strcpy(area, "by store");
  MUST(pread(fd, text, sizeof text, 0));
  show("read sees", text);
  MUST(pwrite(fd, "by write", 9, PAGE));
  show("the mapping sees", area + PAGE);
  MUST(pwrite(fd, "again", 6, PAGE));
  show("the mapping sees", area + PAGE);

  // Another descriptor, another mapping, read-only ones too.
  int other = MUST(open("file", O_RDWR));
  int reader = MUST(open("file", O_RDONLY));
  char* shared = map_island(4 * PAGE, PROT_READ, MAP_SHARED, reader, 0);
  char* private = map_island(4 * PAGE, RW, MAP_PRIVATE, reader, 0);
  MUST(pwrite(other, "second descriptor", 18, 2 * PAGE));
  show("first mapping", area + 2 * PAGE);
  show("read-only shared mapping", shared + 2 * PAGE);
  show("private mapping, untouched before", private + 2 * PAGE);
  strcpy(area + 2 * PAGE, "stored again");
  show("read-only shared mapping", shared + 2 * PAGE);
  MUST(pread(reader, text, sizeof text, 2 * PAGE));
  show("read", text);

  // Growing the file by write makes the pages behind its end appear.
  char* behind = map_island(4 * PAGE, RW, MAP_SHARED, fd, 4 * PAGE);
  TOUCH(Read, behind);
  MUST(pwrite(fd, "new page", 9, 4 * PAGE));
  show("behind the old end", behind);
  TOUCH(Read, behind + PAGE);
  MUST(lseek(other, 0, SEEK_END));
  MUST(write(other, area, PAGE));
  CHECK(memcmp(behind + 9, area, 100) == 0);

  // A child's stores and writes are seen, too.
  pid_t child = fork_child();
  if (child == 0) {
    strcpy(area + 3 * PAGE, "child stored");
    MUST(pwrite(fd, "child wrote", 12, 3 * PAGE + 100));
    leave(0);
  }
  show_end("child", child);
  show("parent", shared + 3 * PAGE);
  show("parent", shared + 3 * PAGE + 100);
  MUST(munmap(area, 4 * PAGE));
  close(fd);
  close(other);
  MUST(pread(reader, text, sizeof text, 3 * PAGE));
  show("after munmap and close", text);
  return 0;
}
