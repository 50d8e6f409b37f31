// What smaps and mincore say of memory some of which may be swapped out: every touched page is either resident or in the swap. With
// an argument - where there is a memory limit - most of them are in the swap.
#include "guest.h"

#define PAGES ((size_t)6 * 1024)
#define SLACK 512  // between two looks pages come and go: the looks themselves fault, and pages are evicted ahead of demand

struct Told {
  size_t rss, swap;  // in pages
};

// Both at one look, so that no page is missed or told twice.
static struct Told tell(void* mapping) {
  FILE* smaps = fopen("/proc/self/smaps", "r");
  if (smaps == NULL) exit(98);
  char line[512], start[32];
  snprintf(start, sizeof start, "%lx-", (unsigned long)mapping);
  struct Told told = {0, 0};
  bool here = false;
  while (fgets(line, sizeof line, smaps) != NULL) {
    if (strncmp(line, start, strlen(start)) == 0) here = true;
    size_t kib = 0;
    if (here && sscanf(line, "Rss: %zu", &kib) == 1) told.rss = kib * KIB / PAGE;
    if (here && sscanf(line, "Swap: %zu", &kib) == 1) {
      told.swap = kib * KIB / PAGE;
      break;
    }
  }
  fclose(smaps);
  return told;
}

static bool about(size_t a, size_t b) { return a < b + SLACK && b < a + SLACK; }

static void scene(char* memory, bool limited) {
  for (size_t i = 0; i < PAGES; ++i) memory[i * PAGE] = (char)(i + 1);
  static unsigned char in[PAGES];
  MUST(mincore(memory, PAGES * PAGE, in));
  size_t resident = 0;
  for (size_t i = 0; i < PAGES; ++i) resident += in[i] & 1;
  const struct Told told = tell(memory);
  CHECK(told.rss + told.swap == PAGES);
  CHECK(about(resident + told.swap, PAGES));
  CHECK(limited ? told.swap > PAGES / 2 : told.swap == 0);
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
