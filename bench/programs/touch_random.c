// touch_random [PAGES]: first touch of that many pages in random order, scattered over a mapping 16 times as large; ns a page.
#include <sys/mman.h>

#include "measure.h"

int main(int argc, char** argv) {
  const uint64_t page = 4096, touches = (uint64_t)argument(argc, argv, 20000), pages = touches * 16;
  volatile char* memory = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  must(memory != MAP_FAILED, "mmap");
  unsigned char* seen = calloc(pages / 8, 1);
  must(seen != NULL, "calloc");
  for (uint64_t i = 0; i < pages / 8; i += page) *(volatile unsigned char*)(seen + i) = 0;
  uint64_t state = 88172645463325252u;
  const int64_t start = now_ns();
  for (uint64_t done = 0; done < touches;) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    const uint64_t where = state % pages;
    if (seen[where / 8] & 1 << where % 8) continue;
    seen[where / 8] |= (unsigned char)(1 << where % 8);
    memory[where * page] = 1;
    ++done;
  }
  report_ns(now_ns() - start, (int64_t)touches);
  return 0;
}
