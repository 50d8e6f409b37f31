// Takes the middle out of a mapping of three pages; then maps, fills and unmaps 100 pages N times (the argument).
#include "../common/probe.h"

enum { kPages = 100 };

int main(int argc, char** argv) {
  const size_t page = page_size();
  const size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
  volatile unsigned char* p = anonymous_pages(3, PROT_READ | PROT_WRITE);
  for (size_t i = 0; i < 3; i++) p[i * page] = (unsigned char)(10 + i);
  if (munmap((void*)(uintptr_t)(p + page), page) != 0) die("munmap");
  struct mapping m;
  tell("middle in maps", find_mapping(p + page, &m));
  tell("neighbours in maps", find_mapping(p, &m) + find_mapping(p + 2 * page, &m));
  tell("neighbours keep their contents", p[0] == 10 && p[2 * page] == 12);
  const struct outcome gone = try_access('r', p + page, 0);
  tell("signal in the middle", gone.signal);
  tell("its code", gone.code);

  for (size_t round = 0; round < rounds; round++) {
    unsigned char* again = anonymous_pages(kPages, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < kPages; i++) again[i * page] = 1;
    if (munmap(again, kPages * page) != 0) die("munmap");
  }
  return 0;
}
