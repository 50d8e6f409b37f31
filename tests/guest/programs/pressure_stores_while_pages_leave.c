// Threads store into pages at random, three times as many as there are frames under --mem, so that many are on their way to the
// swap when they are stored to; another moves, protects, locks, frees and forks what they use. No store may be lost.
#include "guest.h"

#define THREADS 3
#define PAGES ((size_t)6144)
#define STORES 30000
#define AREA ((size_t)512)  // of the thread that changes mappings, in pages
#define ROUNDS 40

static char* memory;

static uint64_t draw(uint64_t* state) {  // xorshift64
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static volatile uint32_t* word(size_t page, size_t thread) { return (uint32_t*)(memory + page * PAGE) + 16 * thread; }

// Half of the stores hit a part that fits, so that pages are stored to again and again.
static size_t any_page(uint64_t* state) {
  const uint64_t drawn = draw(state);
  return (drawn >> 8) % (drawn & 1 ? PAGES : PAGES / 8);
}

static void* store(void* argument) {
  const size_t me = (size_t)argument;
  uint64_t state = 88172645463325252ULL + me;
  for (size_t i = 0; i < STORES; ++i) ++*word(any_page(&state), me);
  return NULL;
}

static size_t wrong_in(const char* area, unsigned mark) {
  size_t wrong = 0;
  for (size_t i = 0; i < AREA; ++i) wrong += *(const uint32_t*)(area + i * PAGE) != mark + i;
  return wrong;
}

static size_t change_mappings(void) {
  size_t wrong = 0;
  uint64_t state = 1;
  char* area = MUST(mmap(NULL, AREA * PAGE, RW, ANON, -1, 0));
  for (unsigned round = 0; round < ROUNDS; ++round) {
    for (size_t i = 0; i < AREA; ++i) *(uint32_t*)(area + i * PAGE) = round + (unsigned)i;
    switch (draw(&state) % 5) {
      case 0: {
        char* const place = MUST(mmap(NULL, AREA * PAGE, PROT_NONE, ANON, -1, 0));
        area = MUST(mremap(area, AREA * PAGE, AREA * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place));
        break;
      }
      case 1:
        mprotect(area + PAGE, (AREA - 2) * PAGE, PROT_READ);
        wrong += wrong_in(area, round);
        mprotect(area, AREA * PAGE, RW);
        break;
      case 2:
        mlock(area + 8 * PAGE, 32 * PAGE);
        wrong += wrong_in(area, round);
        munlock(area, AREA * PAGE);
        break;
      case 3: {
        const pid_t child = fork();
        if (child == 0) _exit(wrong_in(area, round) != 0);
        for (size_t i = 0; i < AREA; i += 3) *(uint32_t*)(area + i * PAGE) += 1;
        int status = -1;
        waitpid(child, &status, 0);
        wrong += status != 0;
        for (size_t i = 0; i < AREA; i += 3) *(uint32_t*)(area + i * PAGE) -= 1;
        break;
      }
      default:
        madvise(area + PAGE, (AREA / 2) * PAGE, MADV_DONTNEED);
        for (size_t i = 1; i <= AREA / 2; ++i) {
          uint32_t* const first = (uint32_t*)(area + i * PAGE);
          wrong += *first != 0;
          *first = round + (unsigned)i;
        }
    }
    wrong += wrong_in(area, round);
  }
  return wrong;
}

int main(void) {
  memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  pthread_t threads[THREADS];
  for (size_t t = 0; t < THREADS; ++t) pthread_create(&threads[t], NULL, store, (void*)t);
  CHECK(change_mappings() == 0);
  for (size_t t = 0; t < THREADS; ++t) pthread_join(threads[t], NULL);
  size_t lost = 0;
  for (size_t t = 0; t < THREADS; ++t) {
    uint32_t* const expected = calloc(PAGES, sizeof *expected);
    uint64_t state = 88172645463325252ULL + t;
    for (size_t i = 0; i < STORES; ++i) ++expected[any_page(&state)];
    for (size_t page = 0; page < PAGES; ++page) lost += *word(page, t) != expected[page];
    free(expected);
  }
  CHECK(lost == 0);
  return 0;
}
