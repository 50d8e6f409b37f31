// A file that is mapped and larger than --mem allows: its pages go and are read again; private copies of them stay what they
// were made to be.
#include "guest.h"

#define PAGES ((size_t)8 * 1024)

int main(void) {
  const int file = MUST(open("contents", O_RDWR | O_CREAT, 0600));
  static uint64_t words[PAGE / sizeof(uint64_t)];
  for (size_t i = 0; i < PAGES; ++i) {
    for (size_t w = 0; w < PAGE / sizeof(uint64_t); ++w) words[w] = i * 1000 + w;
    MUST(write(file, words, sizeof words));
  }
  MUST(close(file));
  const int reader = MUST(open("contents", O_RDONLY));
  uint64_t* shown = MUST(mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, reader, 0));
  uint64_t* own = MUST(mmap(NULL, PAGES * PAGE, RW, MAP_PRIVATE, reader, 0));
  size_t wrong = 0;
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < PAGES; ++i) wrong += shown[i * 512 + i % 512] != i * 1000 + i % 512;
    for (size_t i = 0; i < PAGES; i += 3) own[i * 512] += 1;
  }
  CHECK(wrong == 0);
  for (size_t i = 0; i < PAGES; ++i) wrong += own[i * 512] != i * 1000 + (i % 3 == 0 ? 2 : 0) || own[i * 512 + 511] != i * 1000 + 511;
  CHECK(wrong == 0);
  MUST(unlink("contents"));
  return 0;
}
