// touch_sequential [MB]: first touch of fresh anonymous memory, page after page; ns a page.
#include <sys/mman.h>

#include "measure.h"

int main(int argc, char** argv) {
  const long page = 4096, bytes = argument(argc, argv, 400) * 1000000 / page * page;
  char* memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "mmap");
  const int64_t start = now_ns();
  for (long i = 0; i < bytes; i += page) memory[i] = 1;
  report_ns(now_ns() - start, bytes / page);
  return 0;
}
