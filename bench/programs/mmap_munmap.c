// mmap_munmap [PAIRS]: map and unmap one anonymous page, never touched; ns a pair.
#include <sys/mman.h>

#include "measure.h"

int main(int argc, char** argv) {
  const long pairs = argument(argc, argv, 20000);
  const int64_t start = now_ns();
  for (long i = 0; i < pairs; ++i) {
    void* memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    must(munmap(memory, 4096) == 0, "munmap");
  }
  report_ns(now_ns() - start, pairs);
  return 0;
}
