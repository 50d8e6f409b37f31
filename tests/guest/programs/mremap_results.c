// mremap: shrink, grow where there is room, move where there is not, with contents. Source: mremap(2).
#include "guest.h"

static char* numbered(size_t pages) {
  char* area = map_anon(pages * PAGE);
  for (size_t page = 0; page < pages; ++page) area[page * PAGE] = (char)('a' + page);
  return area;
}

static void show_contents(const char* title, const char* area, size_t pages) {
  printf("%s: ", title);
  for (size_t page = 0; page < pages; ++page) putchar(area[page * PAGE] ? area[page * PAGE] : '0');
  putchar('\n');
}

static void errnos(void) {
  char* area = numbered(8);
  SHOW_MAP(mremap(area + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  SHOW_MAP(mremap(area, PAGE, 0, MREMAP_MAYMOVE));
  SHOW_MAP(mremap(area, PAGE, PAGE, 0x80));
  SHOW_MAP(mremap(area, PAGE, PAGE, MREMAP_FIXED, area + 4 * PAGE));
  SHOW_MAP(mremap(area, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 1));
  SHOW_MAP(mremap(area, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 2 * PAGE));
  SHOW_MAP(mremap(area, PAGE, (size_t)1 << 47, MREMAP_MAYMOVE));
  SHOW_MAP(mremap(area, 0, PAGE, MREMAP_MAYMOVE));
  SHOW_MAP(mremap(area, PAGE, 2 * PAGE, 4 /* MREMAP_DONTUNMAP without MAYMOVE */));
  SHOW_MAP(mremap(area, PAGE, 2 * PAGE, MREMAP_MAYMOVE | 4));
  MUST(munmap(area + 7 * PAGE, PAGE));
  SHOW_MAP(mremap(area + 6 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE));
  SHOW_MAP(mremap(area + 7 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
}

static void in_place(void) {
  char* area = numbered(8);
  CHECK(mremap(area, 8 * PAGE, 4 * PAGE, 0) == area);
  show_maps("shrunk", area, 8 * PAGE);
  TOUCH(Read, area + 4 * PAGE);
  CHECK(mremap(area, 4 * PAGE, 6 * PAGE, 0) == area);
  show_contents("grown again, new pages are zero", area, 6);
  char* blocker = MUST((char*)mmap(area + 6 * PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0));
  SHOW_MAP(mremap(area, 6 * PAGE, 8 * PAGE, 0));
  char* moved = SHOW_MAP(mremap(area, 6 * PAGE, 600 * PAGE, MREMAP_MAYMOVE));
  CHECK(moved != area);
  show_contents("moved", moved, 8);
  show_maps("where it was", area, 8 * PAGE);
  TOUCH(Read, area);
  moved[599 * PAGE] = 'z';
  MUST(munmap(blocker, PAGE));
}

static void fixed(void) {
  char* from = numbered(4);
  char* to = map_anon(8 * PAGE);
  memset(to, 't', 8 * PAGE);
  CHECK(mremap(from + PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + 2 * PAGE) == to + 2 * PAGE);
  show_contents("fixed onto an old mapping", to, 8);
  show_maps("what is left", from, 4 * PAGE);
  CHECK(mremap(to + 2 * PAGE, 3 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, from + PAGE) == from + PAGE);
  show_contents("moved back and shrunk", from, 2);
  show_maps("the hole", to, 8 * PAGE);
}

static void dontunmap(void) {
  char* area = numbered(3);
  char* moved =
      SHOW_MAP((char*)syscall(SYS_mremap, area, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | 4, 0));  // libc drops the 0
  show_contents("taken away", moved, 3);
  show_contents("left as zeros", area, 3);
  area[0] = 'n';
  CHECK(moved[0] == 'a');
}

static void shared_twice(void) {
  char* area = map_shared(3 * PAGE);
  strcpy(area + PAGE, "shared");
  char* again = SHOW_MAP(mremap(area, 0, 3 * PAGE, MREMAP_MAYMOVE));
  printf("again: %s\n", again + PAGE);
  strcpy(again + 2 * PAGE, "through the second");
  printf("first: %s\n", area + 2 * PAGE);
  int fd = make_file("file", 6 * PAGE);
  char* file = MUST((char*)mmap(0, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE));
  file = SHOW_MAP(mremap(file, 2 * PAGE, 5 * PAGE, MREMAP_MAYMOVE));
  show_contents("a file grows into its next pages", file, 5);
  file = SHOW_MAP(mremap(file, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE));
  TOUCH(Read, file + 5 * PAGE);
}

int main(void) {
  errnos();
  in_place();
  fixed();
  dontunmap();
  shared_twice();
  return 0;
}
