// A program with a megabyte of constant data in its file. How much of it is in the page table when main begins? Then
// it reads the first N pages of it (N is the argument) and asks again.
#include "../common/probe.h"

enum { kPages = 256, kPage = 4096 };
static const unsigned char table[kPages * kPage] __attribute__((aligned(kPage), used)) = {1, 2, 3};

int main(int argc, char** argv) {
  const volatile unsigned char* data = table;
  const size_t touch = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
  struct mapping m;
  if (touch > kPages || !find_mapping(data, &m)) die("usage: untouched PAGES (at most 256)");
  printf("recorded: %s, offset %lx of %s\n", m.permissions, m.offset, strrchr(m.path, '/') + 1);
  tell("pages of data", kPages);
  tell("in the page table at the start", pages_in_page_table(data, kPages));
  long sum = 0;
  for (size_t i = 0; i < touch; i++) sum += data[i * kPage];
  tell("in the page table after the touches", pages_in_page_table(data, kPages));
  tell("sum", sum);
  return 0;
}
