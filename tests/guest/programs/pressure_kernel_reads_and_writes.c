// The kernel reads and writes memory that has been evicted: whole buffers through a file, small ones through a pipe, vectors
// across pages.
#include "guest.h"

#define PAGES ((size_t)8 * 1024)

int main(void) {
  uint64_t* memory = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  uint64_t* copy = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  const size_t words = PAGES * PAGE / sizeof *memory;
  for (size_t i = 0; i < words; i += 16) memory[i] = i * 0x9e3779b97f4a7c15u;
  const int file = MUST(open("contents", O_RDWR | O_CREAT, 0600));
  for (size_t done = 0; done < PAGES * PAGE;) done += (size_t)MUST(pwrite(file, (char*)memory + done, PAGES * PAGE - done, (off_t)done));
  for (size_t done = 0; done < PAGES * PAGE;) done += (size_t)MUST(pread(file, (char*)copy + done, PAGES * PAGE - done, (off_t)done));
  CHECK(memcmp(memory, copy, PAGES * PAGE) == 0);
  int ends[2];
  MUST(pipe(ends));
  size_t wrong = 0;
  for (size_t i = 0; i + 1 < PAGES; i += 3) {  // 64 bytes across the border of two pages
    char* from = (char*)memory + (i + 1) * PAGE - 32;
    char* to = (char*)copy + (PAGES - 1 - i) * PAGE - 32;
    struct iovec out[2] = {{from, 40}, {from + 40, 24}}, in[2] = {{to, 8}, {to + 8, 56}};
    MUST(writev(ends[1], out, 2));
    MUST(readv(ends[0], in, 2));
    wrong += memcmp(from, to, 64) != 0;
  }
  CHECK(wrong == 0);
  MUST(unlink("contents"));
  return 0;
}
