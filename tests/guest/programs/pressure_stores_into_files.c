// Stores into shared file mappings eight times as large as --mem allows: what was stored is what read(2) tells, while the
// mapping is there and after it, with msync or without, on disk and on tmpfs; what truncation cut off is gone, and private
// pages that nobody stored into show the file.
#include "guest.h"

#define PAGES ((size_t)8 * 1024)
#define WORDS (PAGE / sizeof(uint64_t))

static size_t next_of(size_t page) { return (page * 2741 + 1) % PAGES; }  // visits all

static uint64_t value(size_t page, int round) { return page * 1000003 + (uint64_t)round * 77 + 1; }

static void store(uint64_t* map, int round, size_t msync_every) {
  size_t page = 0;
  for (size_t i = 0; i < PAGES; ++i, page = next_of(page)) {
    map[page * WORDS + page % WORDS] = value(page, round);
    map[page * WORDS + WORDS - 1] = value(page, round) ^ 5;
    if (msync_every != 0 && i % msync_every == 0) MUST(msync(map + page * WORDS, PAGE, MS_SYNC));
  }
}

static size_t wrong_pages(int file, size_t pages, int round) {
  static uint64_t words[WORDS];
  size_t wrong = 0;
  for (size_t page = 0; page < pages; ++page) {
    MUST(pread(file, words, PAGE, (off_t)(page * PAGE)));
    const size_t at = page % WORDS;
    if (at != WORDS - 1) wrong += words[at] != value(page, round);
    wrong += words[WORDS - 1] != (value(page, round) ^ 5);
  }
  return wrong;
}

static void scene(const char* path) {
  const int file = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
  MUST(ftruncate(file, PAGES * PAGE));
  uint64_t* map = MUST(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, file, 0));
  store(map, 1, 0);
  CHECK(wrong_pages(file, PAGES, 1) == 0);
  store(map, 2, 1024);
  size_t wrong = 0;
  for (size_t page = 0; page < PAGES; ++page) wrong += map[page * WORDS + WORDS - 1] != (value(page, 2) ^ 5);
  CHECK(wrong == 0);
  store(map, 3, 0);
  MUST(munmap(map, PAGES * PAGE));
  CHECK(wrong_pages(file, PAGES, 3) == 0);

  // Cut off while much of it is dirty, and extended again.
  map = MUST(mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, file, 0));
  store(map, 4, 0);
  MUST(ftruncate(file, PAGES / 2 * PAGE));
  MUST(ftruncate(file, PAGES * PAGE));
  CHECK(wrong_pages(file, PAGES / 2, 4) == 0);
  for (size_t i = PAGES / 2 * WORDS; i < PAGES * WORDS; i += 37) wrong += map[i] != 0;
  CHECK(wrong == 0);

  // Private pages: those stored into stay, the others follow.
  uint64_t* own = MUST(mmap(NULL, PAGES * PAGE, RW, MAP_PRIVATE, file, 0));
  for (size_t page = 0; page < PAGES; ++page) wrong += own[page * WORDS + WORDS - 1] != (page < PAGES / 2 ? value(page, 4) ^ 5 : 0);
  CHECK(wrong == 0);
  for (size_t page = 0; page < PAGES; page += 5) own[page * WORDS + WORDS - 1] = page;
  store(map, 5, 0);
  for (size_t page = 0; page < PAGES; ++page) wrong += own[page * WORDS + WORDS - 1] != (page % 5 == 0 ? page : value(page, 5) ^ 5);
  CHECK(wrong == 0);
  MUST(munmap(map, PAGES * PAGE));
  MUST(munmap(own, PAGES * PAGE));
  MUST(close(file));
}

int main(void) {
  scene("stored");
  MUST(unlink("stored"));
  char name[64];
  snprintf(name, sizeof name, "/dev/shm/pressure-%d", getpid());
  scene(name);
  MUST(unlink(name));
  printf("done\n");
  return 0;
}
