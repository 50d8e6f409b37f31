// Processes store into shared memory at random, three times as many pages as there are frames under --mem, so that many are on their
// way to the swap when they are stored to; meanwhile parts are mapped anew, protected, locked and freed, and children read them. No
// store may be lost, and none be seen by one process only.
#include "guest.h"

#define WRITERS 3
#define PAGES ((size_t)6144)
#define STORES 20000
#define OWN ((size_t)512)  // of the process that changes mappings, in pages
#define ROUNDS 40

static char* memory;

static uint64_t draw(uint64_t* state) {  // xorshift64
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static volatile uint32_t* word(size_t page, size_t writer) { return (uint32_t*)(memory + page * PAGE) + 16 * writer; }

// Half of the stores hit a part that fits, so that pages are stored to again and again.
static size_t any_page(uint64_t* state) {
  const uint64_t drawn = draw(state);
  return (drawn >> 8) % (drawn & 1 ? PAGES : PAGES / 8);
}

static void store(size_t me) {
  uint64_t state = 88172645463325252ULL + me;
  for (size_t i = 0; i < STORES; ++i) ++*word(any_page(&state), me);
}

static size_t wrong_in(const char* area, unsigned mark) {
  size_t wrong = 0;
  for (size_t i = 0; i < OWN; ++i) wrong += *(const volatile uint32_t*)(area + i * PAGE) != mark + i;
  return wrong;
}

static size_t change_mappings(void) {
  size_t wrong = 0;
  uint64_t state = 1;
  char* area = MUST(mmap(NULL, OWN * PAGE, RW, ANON_SHARED, -1, 0));
  for (unsigned round = 0; round < ROUNDS; ++round) {
    for (size_t i = 0; i < OWN; ++i) *(volatile uint32_t*)(area + i * PAGE) = round + (unsigned)i;
    switch (draw(&state) % 5) {
      case 0: {
        char* const place = MUST(mmap(NULL, OWN * PAGE, PROT_NONE, ANON, -1, 0));
        area = MUST(mremap(area, OWN * PAGE, OWN * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place));
        break;
      }
      case 1:
        mprotect(area + PAGE, (OWN - 2) * PAGE, PROT_READ);
        wrong += wrong_in(area, round);
        mprotect(area, OWN * PAGE, RW);
        break;
      case 2:
        mlock(area + 8 * PAGE, 32 * PAGE);
        wrong += wrong_in(area, round);
        munlock(area, OWN * PAGE);
        break;
      case 3: {  // what the child stores is seen here
        const pid_t child = fork();
        if (child == 0) {
          const size_t there = wrong_in(area, round);
          for (size_t i = 0; i < OWN; i += 3) *(volatile uint32_t*)(area + i * PAGE) += 1;
          _exit(there != 0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        wrong += status != 0;
        for (size_t i = 0; i < OWN; i += 3) *(volatile uint32_t*)(area + i * PAGE) -= 1;
        break;
      }
      default:
        madvise(area + PAGE, (OWN / 2) * PAGE, MADV_REMOVE);
        for (size_t i = 1; i <= OWN / 2; ++i) {
          volatile uint32_t* const first = (uint32_t*)(area + i * PAGE);
          wrong += *first != 0;
          *first = round + (unsigned)i;
        }
    }
    wrong += wrong_in(area, round);
  }
  return wrong;
}

int main(void) {
  memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON_SHARED, -1, 0));
  pid_t writers[WRITERS];
  for (size_t w = 0; w < WRITERS; ++w) {
    writers[w] = MUST(fork());
    if (writers[w] != 0) continue;
    store(w);
    _exit(0);
  }
  CHECK(change_mappings() == 0);
  for (size_t w = 0; w < WRITERS; ++w) MUST(waitpid(writers[w], NULL, 0));
  size_t lost = 0;
  for (size_t w = 0; w < WRITERS; ++w) {
    uint32_t* const expected = calloc(PAGES, sizeof *expected);
    uint64_t state = 88172645463325252ULL + w;
    for (size_t i = 0; i < STORES; ++i) ++expected[any_page(&state)];
    for (size_t page = 0; page < PAGES; ++page) lost += *word(page, w) != expected[page];
    free(expected);
  }
  CHECK(lost == 0);
  return 0;
}
