// A hint is honoured where the range is free, rounded to a page, and ignored where it is not; MAP_32BIT stays low;
// the lowest addresses are refused. Source: mmap(2); proc(5) mmap_min_addr.
#include "guest.h"

int main(void) {
  char* range = MUST((char*)mmap(0, 64 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  MUST(munmap(range + PAGE, 62 * PAGE));
  CHECK(mmap(range + 8 * PAGE, PAGE, RW, ANON, -1, 0) == range + 8 * PAGE);
  CHECK(mmap(range + 20 * PAGE + 100, PAGE, RW, ANON, -1, 0) == range + 20 * PAGE);
  char* taken = SHOW_MAP(mmap(range + 8 * PAGE, 2 * PAGE, RW, ANON, -1, 0));
  CHECK(taken != range + 8 * PAGE && range[8 * PAGE] == 0);
  char* low = SHOW_MAP(mmap(0, 4 * PAGE, RW, ANON | MAP_32BIT, -1, 0));
  CHECK((uintptr_t)low < (1ul << 31));
  char* lowest = SHOW_MAP(mmap((void*)PAGE, PAGE, RW, ANON, -1, 0));
  CHECK((uintptr_t)lowest >= 65536);
  SHOW_MAP(mmap((void*)0x700000000000, 16 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  CHECK(mmap((void*)0x100000000, PAGE, RW, ANON, -1, 0) == (void*)0x100000000);

  // The same range again and again gives fresh zeros each time.
  int zeros = 0;
  for (int i = 0; i < 500; ++i) {
    char* area = MUST((char*)mmap(range + 30 * PAGE, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
    zeros += all_are(area, 4 * PAGE, 0);
    memset(area, 'd', 4 * PAGE);
    if (i % 2) MUST(munmap(area, 4 * PAGE));
  }
  printf("%d of 500 were zero\n", zeros);

  // Address order: what is mapped without a hint never overlaps what exists.
  char* many[200];
  bool apart = true;
  for (int i = 0; i < 200; ++i) {
    many[i] = MUST((char*)mmap(0, 3 * PAGE, RW, ANON, -1, 0));
    memset(many[i], i, 3 * PAGE);
  }
  for (int i = 0; i < 200; ++i) apart = apart && all_are(many[i], 3 * PAGE, (char)i);
  CHECK(apart);
  return 0;
}
