// A private mapping shows the file, zeros behind its end within the last page, SIGBUS beyond, and keeps its writes to
// itself. Source: mmap(2).
#include "guest.h"

int main(void) {
  int fd = make_file_read_only("file", 3 * PAGE + 100);
  char* area = map_island(6 * PAGE, RW, MAP_PRIVATE, fd, 0);
  printf("%c %c %c %c\n", area[0], area[PAGE + 1], area[3 * PAGE - 1], area[3 * PAGE + 99]);
  CHECK(all_are(area + 3 * PAGE + 100, PAGE - 100, 0));
  TOUCH(Read, area + 4 * PAGE - 1);
  TOUCH(Read, area + 4 * PAGE);
  TOUCH(Write, area + 5 * PAGE + 7);

  strcpy(area + PAGE, "private");
  area[3 * PAGE + 200] = 't';
  char text[16] = "";
  MUST(pread(fd, text, 8, PAGE));
  printf("the file still holds %.8s, the mapping %s\n", text, area + PAGE);
  char* second = map_island(6 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  printf("a second mapping: %.8s, tail %d\n", second + PAGE, second[3 * PAGE + 200]);

  char* offset = map_island(PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
  printf("from an offset: %c\n", offset[0]);
  char* behind = map_island(PAGE, PROT_READ, MAP_PRIVATE, fd, 8 * PAGE);
  TOUCH(Read, behind);
  close(fd);
  printf("after close: %c\n", area[2 * PAGE]);

  pid_t child = fork_child();
  if (child == 0) {
    printf("child: %s %c\n", area + PAGE, area[2 * PAGE]);
    strcpy(area + PAGE, "child's");
    area[0] = 'c';
    leave(0);
  }
  show_end("child", child);
  printf("parent: %s %c\n", area + PAGE, area[0]);

  int empty = make_file_read_only("empty", 0);
  char* nothing = map_island(PAGE, PROT_READ, MAP_PRIVATE, empty, 0);
  TOUCH(Read, nothing);
  int one = make_file_read_only("one", 1);
  char* byte = map_island(PAGE, PROT_READ, MAP_PRIVATE, one, 0);
  CHECK(byte[0] == 'A' && all_are(byte + 1, PAGE - 1, 0));
  return 0;
}
