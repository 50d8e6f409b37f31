// What smaps and mincore say of memory some of which may be swapped out: every touched page is either resident or in the swap. With
// an argument - where there is a memory limit - most of them are in the swap.
#include "guest.h"

#define PAGES ((size_t)6 * 1024)
#define SLACK 512  // pages that come and go while we look: some are evicted ahead of demand

static size_t field_of(void* mapping, const char* name) {
  FILE* smaps = fopen("/proc/self/smaps", "r");
  if (smaps == NULL) exit(98);
  char line[512], start[32];
  snprintf(start, sizeof start, "%lx-", (unsigned long)mapping);
  size_t kib = 0;
  bool here = false;
  while (fgets(line, sizeof line, smaps) != NULL) {
    if (strncmp(line, start, strlen(start)) == 0) here = true;
    if (here && strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), ": %zu", &kib) == 1) break;
  }
  fclose(smaps);
  return kib * KIB / PAGE;
}

static bool about(size_t a, size_t b) { return a < b + SLACK && b < a + SLACK; }

static void scene(char* memory, bool limited) {
  for (size_t i = 0; i < PAGES; ++i) memory[i * PAGE] = (char)(i + 1);
  static unsigned char in[PAGES];
  MUST(mincore(memory, PAGES * PAGE, in));
  size_t resident = 0;
  for (size_t i = 0; i < PAGES; ++i) resident += in[i] & 1;
  const size_t rss = field_of(memory, "Rss"), swap = field_of(memory, "Swap");
  CHECK(about(rss + swap, PAGES));
  CHECK(about(resident + swap, PAGES));
  CHECK(limited ? swap > PAGES / 2 : swap == 0);
  size_t wrong = 0;
  for (size_t i = 0; i < PAGES; ++i) wrong += memory[i * PAGE] != (char)(i + 1);
  CHECK(wrong == 0);
}

int main(int argc, char** argv) {
  (void)argv;
  scene(map_anon(PAGES * PAGE), argc > 1);
  scene(map_shared(PAGES * PAGE), argc > 1);
  return 0;
}
