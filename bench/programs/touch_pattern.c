// Touches memory in a pattern, after having stored into all of it: `passes` two sequential passes, `random`, `zipf`, or `scan`:
// a scan at each step of which four pages of a hot set, an eighth of all, are touched. argv: the pattern, MiB, touches.
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "measure.h"

#define PAGE ((size_t)4096)

static uint64_t state = 88172645463325252ULL;
static uint64_t draw(void) {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Ranks with a probability of 1 / rank: each power of two of them is as likely. A rank's page lies anywhere.
static size_t zipf(size_t pages, unsigned octaves) {
  const uint64_t low = (uint64_t)1 << (draw() % octaves);
  return ((low + draw() % low) * 2654435761u) % pages;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const char pattern = argv[1][0];
  const size_t pages = strtoul(argv[2], NULL, 10) * ((1 << 20) / PAGE), touches = strtoul(argv[3], NULL, 10);
  volatile uint64_t* memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  unsigned octaves = 0;
  while ((size_t)2 << octaves <= pages) ++octaves;
  // Half of each page does not compress.
  for (size_t i = 0; i < pages; ++i)
    for (size_t w = 0; w < PAGE / 16; ++w) memory[i * (PAGE / 8) + w] = draw();

  const int64_t start = now_ns();
  for (size_t i = 0; i < touches; ++i) {
    size_t page = i % pages;
    if (pattern == 'r') page = draw() % pages;
    if (pattern == 'z') page = zipf(pages, octaves);
    if (pattern == 's') page = i % 5 == 0 ? i / 5 % pages : draw() % (pages / 8);
    memory[page * (PAGE / 8)] += 1;
  }
  report_ns(now_ns() - start, (int64_t)touches);
  return 0;
}
