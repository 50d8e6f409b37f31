// Locked pages do not go: those that had gone come back with mlock, and mincore says so whatever else needs frames.
#include "guest.h"

#define LOCKED ((size_t)64)
#define PAGES ((size_t)8 * 1024)

static size_t in_memory(char* memory, size_t pages) {
  static unsigned char present[PAGES];
  MUST(mincore(memory, pages * PAGE, present));
  size_t count = 0;
  for (size_t i = 0; i < pages; ++i) count += present[i] & 1;
  return count;
}

int main(void) {
  char* memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  for (size_t i = 0; i < PAGES; ++i) memory[i * PAGE] = (char)i;
  CHECK(in_memory(memory + LOCKED * PAGE, 1) <= 1);
  MUST(mlock(memory, LOCKED * PAGE));
  CHECK(in_memory(memory, LOCKED) == LOCKED);
  for (size_t i = LOCKED; i < PAGES; ++i) memory[i * PAGE]++;
  CHECK(in_memory(memory, LOCKED) == LOCKED);
  size_t wrong = 0;
  for (size_t i = 0; i < PAGES; ++i) wrong += memory[i * PAGE] != (char)(i + (i >= LOCKED));
  CHECK(wrong == 0);
  MUST(munlock(memory, LOCKED * PAGE));
  return 0;
}
