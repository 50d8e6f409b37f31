// Maps two pages from the middle of a file at an address of its choice, and compares them with what read(2) gives.
#include "../common/probe.h"

int main(int argc, char** argv) {
  if (argc != 2) die("usage: window FILE (of at least five pages)");
  const size_t page = page_size();
  const int fd = open_or_die(argv[1], O_RDONLY);
  unsigned char* wanted = anonymous_pages(16, PROT_NONE) + 7 * page;
  unsigned char* got = map_or_die(wanted, 2 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, (off_t)(3 * page));
  unsigned char* same = malloc(2 * page);
  if (same == NULL || pread(fd, same, 2 * page, (off_t)(3 * page)) != (ssize_t)(2 * page)) die("pread");
  long differing = 0;
  for (size_t i = 0; i < 2 * page; i++) differing += got[i] != same[i];
  struct mapping m;
  if (!find_mapping(got, &m)) die("find_mapping");
  printf("%lx-%lx %s %08lx %s\n", m.start, m.end, m.permissions, m.offset, strrchr(m.path, '/') + 1);
  tell("mapped where asked", got == wanted && m.start == (uintptr_t)wanted);
  tell("offset in maps", (long)m.offset);
  tell("bytes compared", (long)(2 * page));
  tell("bytes that differ from read", differing);
  return 0;
}
