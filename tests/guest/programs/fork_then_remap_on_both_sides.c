// After a fork each side changes its own address space: moves, unmaps, protects, maps anew. Source: fork(2), mremap(2).
#include "guest.h"

static void show(const char* who, char* area) {
  printf("%s:", who);
  for (int page = 0; page < 16; ++page) {
    const char* result = touch(area + page * (long)PAGE, Read);
    printf(" %s", result[0] == 'o' ? (char[]){area[page * (long)PAGE] ? area[page * (long)PAGE] : '0', 0} : "-");
  }
  printf("\n");
}

int main(void) {
  char* area = map_anon(16 * PAGE);
  char* elsewhere = map_anon(64 * PAGE);
  for (int page = 0; page < 16; ++page) area[page * (long)PAGE] = (char)('a' + page);
  int to_child[2], to_parent[2];
  char byte;
  MUST(pipe(to_child));
  MUST(pipe(to_parent));
  pid_t child = fork_child();
  if (child == 0) {
    char* moved = MUST((char*)mremap(area, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere));
    MUST(munmap(area + 10 * PAGE, 2 * PAGE));
    MUST(write(to_parent[1], "x", 1));
    MUST(read(to_child[0], &byte, 1));
    show("child", area);
    show("child, moved", moved);
    moved[0] = '!';
    MUST(mmap(area, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
    area[PAGE] = 'n';
    pid_t grandchild = fork_child();
    if (grandchild == 0) {
      show("grandchild", area);
      show("grandchild, moved", moved);
      leave(0);
    }
    show_end("grandchild", grandchild);
    leave(0);
  }
  MUST(read(to_parent[0], &byte, 1));
  show("parent", area);
  MUST(mremap(area + 4 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere + 20 * PAGE));
  MUST(munmap(area, 2 * PAGE));
  MUST(madvise(area + 12 * PAGE, 2 * PAGE, MADV_DONTNEED));
  area[14 * PAGE] = 'P';
  fflush(stdout);
  MUST(write(to_child[1], "x", 1));
  show_end("child", child);
  show("parent", area);
  show("parent, moved", elsewhere + 20 * PAGE);
  return 0;
}
