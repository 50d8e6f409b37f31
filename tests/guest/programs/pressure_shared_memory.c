// Shared memory larger than --mem allows: two processes add to the same words; no addition may be lost, wherever the page is
// while they do.
#include <stdatomic.h>

#include "guest.h"

#define PAGES ((size_t)6 * 1024)
#define ROUNDS 4

int main(void) {
  char* memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON_SHARED, -1, 0));
  const pid_t child = MUST(fork());
  const uint64_t stride = child == 0 ? 5 : 7;  // both prime to PAGES: two orders through the same pages
  for (int round = 0; round < ROUNDS; ++round)
    for (size_t i = 0; i < PAGES; ++i)
      atomic_fetch_add((_Atomic uint64_t*)(memory + (i * stride % PAGES) * PAGE + 64), i * stride % PAGES + 1);
  if (child == 0) _exit(0);
  int status = -1;
  MUST(waitpid(child, &status, 0));
  size_t wrong = 0;
  for (size_t i = 0; i < PAGES; ++i) wrong += *(uint64_t*)(memory + i * PAGE + 64) != 2 * ROUNDS * (i + 1);
  CHECK(wrong == 0);
  MUST(munmap(memory, PAGES * PAGE));
  printf("child: %d\n", status);
  return 0;
}
