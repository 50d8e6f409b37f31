// madvise: what each advice does to contents, and which are refused. Source: madvise(2).
#include "guest.h"

static void errnos(char* area) {
  SHOW(madvise(area + 1, PAGE, MADV_DONTNEED));
  SHOW(madvise(area, 0, MADV_DONTNEED));
  SHOW(madvise(area, (size_t)-1, MADV_DONTNEED));
  SHOW(madvise(area, PAGE, 9999));
  SHOW(madvise(area, PAGE, -1));
  SHOW(madvise(area, 0, 9999));
  SHOW(madvise(area, PAGE, MADV_NORMAL));
  SHOW(madvise(area, PAGE, MADV_RANDOM));
  SHOW(madvise(area, PAGE, MADV_SEQUENTIAL));
  SHOW(madvise(area, PAGE, MADV_WILLNEED));
  SHOW(madvise(area, PAGE, MADV_DONTDUMP));
  SHOW(madvise(area, PAGE, MADV_DODUMP));
  SHOW(madvise(area, PAGE, MADV_REMOVE));
}

static void anonymous(void) {
  char* area = map_anon(6 * PAGE);
  errnos(area);
  memset(area, 'x', 6 * PAGE);
  SHOW(madvise(area + PAGE, 2 * PAGE, MADV_DONTNEED));
  CHECK(all_are(area, PAGE, 'x') && all_are(area + PAGE, 2 * PAGE, 0) && all_are(area + 3 * PAGE, 3 * PAGE, 'x'));
  memset(area + PAGE, 'y', PAGE);
  CHECK(all_are(area + PAGE, PAGE, 'y'));
  SHOW(madvise(area + 3 * PAGE, 1, MADV_DONTNEED));
  CHECK(all_are(area + 3 * PAGE, PAGE, 0));

  // FREE leaves old contents or zeros; a later write stays.
  SHOW(madvise(area + 4 * PAGE, 2 * PAGE, MADV_FREE));
  area[4 * PAGE] = 'n';
  CHECK(area[4 * PAGE] == 'n');
  CHECK(area[5 * PAGE] == 'x' || area[5 * PAGE] == 0);
  SHOW(madvise(area, PAGE, MADV_COLD));
  SHOW(madvise(area, PAGE, MADV_PAGEOUT));
  CHECK(all_are(area, PAGE, 'x'));

  // A hole: what is mapped is done, ENOMEM is told.
  MUST(munmap(area + PAGE, PAGE));
  SHOW(madvise(area, 3 * PAGE, MADV_DONTNEED));
  CHECK(all_are(area, PAGE, 0));
  SHOW(madvise(area, 3 * PAGE, MADV_WILLNEED));

  SHOW(mprotect(area + 2 * PAGE, PAGE, PROT_READ));
  SHOW(madvise(area + 2 * PAGE, PAGE, MADV_DONTNEED));
  SHOW(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
  SHOW(madvise(area + 2 * PAGE, PAGE, MADV_DONTNEED));
}

static void shared_anonymous(void) {
  char* area = map_shared(4 * PAGE);
  memset(area, 's', 4 * PAGE);
  SHOW(madvise(area, 2 * PAGE, MADV_DONTNEED));
  CHECK(all_are(area, 4 * PAGE, 's'));
  SHOW(madvise(area, PAGE, MADV_REMOVE));
  CHECK(all_are(area, PAGE, 0) && all_are(area + PAGE, 3 * PAGE, 's'));
  SHOW(madvise(area, PAGE, MADV_FREE));
  SHOW(madvise(area, PAGE, MADV_WIPEONFORK));
}

static void files(void) {
  int fd = make_file_read_only("file", 4 * PAGE);
  char* area = MUST((char*)mmap(0, 4 * PAGE, RW, MAP_PRIVATE, fd, 0));
  memset(area, 'p', 2 * PAGE);
  SHOW(madvise(area, PAGE, MADV_DONTNEED));
  CHECK(all_are(area, PAGE, 'A') && all_are(area + PAGE, PAGE, 'p') && area[2 * PAGE] == 'C');
  SHOW(madvise(area, PAGE, MADV_FREE));
  SHOW(madvise(area, PAGE, MADV_REMOVE));
  SHOW(madvise(area, PAGE, MADV_WIPEONFORK));
  SHOW(madvise(area, 4 * PAGE, MADV_WILLNEED));
  int both = MUST(open("file", O_RDWR));
  char* shared = MUST((char*)mmap(0, 4 * PAGE, RW, MAP_SHARED, both, 0));
  shared[0] = '!';
  SHOW(madvise(shared, PAGE, MADV_DONTNEED));
  CHECK(shared[0] == '!');
  SHOW(madvise(shared + PAGE, PAGE, MADV_REMOVE));
  CHECK(all_are(shared + PAGE, PAGE, 0) && shared[2 * PAGE] == 'C');
}

int main(void) {
  anonymous();
  shared_anonymous();
  files();
  return 0;
}
