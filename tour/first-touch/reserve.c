// Maps N MiB (the argument), touches none of it, and asks mincore and the page table what is there.
#include "../common/probe.h"

enum { kChunk = 4096 };
static unsigned char residency[kChunk];
static uint64_t entries[kChunk];

int main(int argc, char** argv) {
  const size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
  const size_t page = page_size();
  const size_t pages = (mib << 20) / page;
  memset(residency, 0xff, sizeof residency);
  memset(entries, 0xff, sizeof entries);
  unsigned char* p = anonymous_pages(pages, PROT_READ | PROT_WRITE);
  const int pagemap = open_or_die("/proc/self/pagemap", O_RDONLY);
  long resident = 0, present = 0;
  for (size_t at = 0; at < pages; at += kChunk) {
    const size_t count = pages - at < kChunk ? pages - at : kChunk;
    if (mincore(p + at * page, count * page, residency) != 0) die("mincore");
    const ssize_t bytes = (ssize_t)(count * sizeof entries[0]);
    if (pread(pagemap, entries, (size_t)bytes, (off_t)(((uintptr_t)p / page + at) * sizeof entries[0])) != bytes)
      die("pagemap");
    for (size_t i = 0; i < count; i++) resident += residency[i] & 1, present += (long)(entries[i] >> 63);
  }
  tell("pages mapped", (long)pages);
  tell("resident by mincore", resident);
  tell("in the page table", present);
  return 0;
}
