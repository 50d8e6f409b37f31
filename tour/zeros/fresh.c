// N fresh pages of a mapping and N of the heap (N is the argument): reads every byte, then stores one in each page.
#include "../common/probe.h"

enum { kPages = 256 };
static uint64_t frames[2 * kPages];

int main(int argc, char** argv) {
  const size_t pages = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
  if (pages > kPages) die("usage: fresh PAGES (at most 256)");
  const size_t page = page_size();
  memset(frames, 0xff, sizeof frames);
  tell("frame numbers visible", frame_numbers_visible());
  unsigned char* mapped = anonymous_pages(kPages, PROT_READ | PROT_WRITE);
  const uintptr_t gap = (page - (uintptr_t)sbrk(0) % page) % page;
  if (sbrk((intptr_t)(gap + kPages * page)) == (void*)-1) die("sbrk");
  unsigned char* heap = (unsigned char*)sbrk(0) - kPages * page;

  long nonzero = nonzero_bytes(mapped, pages * page);
  nonzero += nonzero_bytes(heap, pages * page);
  for (size_t i = 0; i < pages; i++) {
    mapped[i * page] = 1;
    heap[i * page] = 1;
    frames[2 * i] = frame_of(mapped + i * page);
    frames[2 * i + 1] = frame_of(heap + i * page);
  }
  tell("bytes read", (long)(2 * pages * page));
  tell("bytes that were not zero", nonzero);
  tell("different frames", distinct(frames, 2 * pages));
  return 0;
}
