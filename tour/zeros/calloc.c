// Obtains 4 MiB, never used before, in one of four ways: `malloc`; `calloc`; `memset` (malloc, then filled); `verify`
// (calloc, then every byte read). The names have one length, so that the runs differ in nothing else.
#include "../common/probe.h"

enum { kSize = 4 << 20 };
static void* (*volatile allocate)(size_t) = malloc;
static void* (*volatile allocate_clear)(size_t, size_t) = calloc;

int main(int argc, char** argv) {
  const char* way = argc > 1 ? argv[1] : "malloc";
  const int clear = strcmp(way, "calloc") == 0 || strcmp(way, "verify") == 0;
  unsigned char* p = clear ? allocate_clear(1, kSize) : allocate(kSize);
  if (p == NULL) die("allocation");
  if (strcmp(way, "memset") == 0) memset(p, 1, kSize);
  if (strcmp(way, "verify") == 0) tell("bytes that are not zero", nonzero_bytes(p, kSize));
  const size_t page = page_size();
  tell("pages", (long)(kSize / page));
  tell("in the page table", pages_in_page_table(p - (uintptr_t)p % page, kSize / page));
  return 0;
}
