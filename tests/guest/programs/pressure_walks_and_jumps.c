// Private memory several times larger than the frames of a run under --mem: every page keeps what was stored last, whether
// walked through or jumped about in.
#include "guest.h"

#define PAGES ((size_t)12 * 1024)
#define JUMPS 40000

static uint64_t* memory;
static uint32_t stored[PAGES];

static uint64_t* page(size_t i) { return memory + i * (PAGE / sizeof(uint64_t)); }
static uint64_t mix(uint64_t x) { return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u; }

static void store(size_t i) {
  const uint64_t value = mix(i * 100000 + ++stored[i]);
  page(i)[0] = value;
  page(i)[1 + value % 510] = value + 1;
  page(i)[511] = ~value;
}

static bool intact(size_t i) {
  const uint64_t value = stored[i] == 0 ? 0 : mix(i * 100000 + stored[i]);
  if (stored[i] == 0) return page(i)[0] == 0 && page(i)[511] == 0;
  return page(i)[0] == value && page(i)[511] == ~value && page(i)[1 + value % 510] == value + 1;
}

int main(void) {
  memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  size_t wrong = 0;
  for (int walk = 0; walk < 3; ++walk) {
    for (size_t i = 0; i < PAGES; ++i) {
      wrong += !intact(i);
      store(i);
    }
  }
  CHECK(wrong == 0);
  uint64_t draw = 1;
  for (int jump = 0; jump < JUMPS; ++jump) {
    draw = draw * 6364136223846793005u + 1442695040888963407u;
    const size_t i = (draw >> 33) % PAGES;
    wrong += !intact(i);
    if ((draw >> 62) != 0) store(i);
  }
  CHECK(wrong == 0);
  MUST(madvise(page(1000), 3000 * PAGE, MADV_DONTNEED));
  memset(stored + 1000, 0, 3000 * sizeof stored[0]);
  for (size_t i = PAGES; i-- > 0;) wrong += !intact(i);
  CHECK(wrong == 0);
  return 0;
}
