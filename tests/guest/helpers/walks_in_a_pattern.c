// Touches pages in a pattern: `loop`, `random`, `zipf`, or `hot`: a scan over all pages, at each step of which four pages of
// a hot set - an eighth of all - are touched. argv: the pattern, pages, touches.
#include "guest.h"

#include <math.h>

static uint64_t state = 88172645463325252ULL;
static uint64_t draw(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Ranks by their probability 1 / rank, through the inverse of its integral; a rank's page lies anywhere.
static size_t zipf(size_t pages) {
  const double u = (double)(draw() >> 11) / 9007199254740992.0;
  const size_t rank = (size_t)exp(u * log((double)pages));
  return (rank % pages) * 2654435761u % pages;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const size_t pages = strtoul(argv[2], NULL, 10), touches = strtoul(argv[3], NULL, 10);
  const char pattern = argv[1][0];
  volatile char* memory = MUST(mmap(NULL, pages * PAGE, RW, ANON, -1, 0));
  for (size_t i = 0; i < pages; ++i) {
    memory[i * PAGE] = (char)i;
    memory[i * PAGE + 8 + i % 4000] = 1;
  }
  uint64_t sum = 0;
  for (size_t i = 0; i < touches; ++i) {
    size_t page = i % pages;
    if (pattern == 'r') page = draw() % pages;
    if (pattern == 'z') page = zipf(pages);
    if (pattern == 'h' && i % 5 != 0) page = draw() % (pages / 8);
    if (pattern == 'h' && i % 5 == 0) page = i / 5 % pages;
    memory[page * PAGE + 16] = (char)(memory[page * PAGE + 16] + 1);
    sum += (uint64_t)(unsigned char)memory[page * PAGE];
  }
  printf("%llu\n", (unsigned long long)sum);
  return 0;
}
