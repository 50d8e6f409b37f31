// Maps a file of 64 pages privately and stores to the first N of them (N is the second argument).
#include "../common/probe.h"

enum { kPages = 64 };

int main(int argc, char** argv) {
  const size_t stores = argc == 3 ? strtoul(argv[2], NULL, 10) : kPages + 1;
  if (stores > kPages) die("usage: private FILE PAGES (at most 64)");
  const size_t page = page_size();
  const int fd = open_or_die(argv[1], O_RDONLY);
  unsigned char* p = map_or_die(NULL, kPages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  for (size_t i = 0; i < stores; i++) p[i * page + 17] = '!';
  long kept = 0;
  for (size_t i = 0; i < stores; i++) kept += p[i * page + 17] == '!';
  tell("stores kept in memory", kept);
  return 0;
}
