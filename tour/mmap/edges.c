// Whole pages only: how long mappings of 1 byte and of a page and a byte become, what lies behind the end of a short
// file, and which offsets, lengths and addresses are refused.
#include "../common/probe.h"

static long refused(void* at, size_t length, int flags, int fd, off_t offset) {
  errno = 0;
  return mmap(at, length, PROT_READ, flags, fd, offset) == MAP_FAILED && errno == EINVAL;
}

static long mapped_length(size_t length, int fd) {
  const unsigned char* p = map_or_die(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
  struct mapping m;
  if (!find_mapping(p, &m)) die("find_mapping");
  munmap((void*)(uintptr_t)p, length);
  return (long)(m.end - m.start);
}

int main(int argc, char** argv) {
  if (argc != 2) die("usage: edges FILE (shorter than a page)");
  const size_t page = page_size();
  const int fd = open_or_die(argv[1], O_RDONLY);
  const size_t size = size_of(fd);
  tell("length of a mapping of 1 byte", mapped_length(1, fd));
  tell("length of a mapping of a page and a byte", mapped_length(page + 1, fd));

  unsigned char* p = map_or_die(NULL, 2 * page, PROT_READ, MAP_PRIVATE, fd, 0);
  tell("file size", (long)size);
  tell("bytes of text", nonzero_bytes(p, size));
  tell("bytes of the tail that are not zero", nonzero_bytes(p + size, page - size));
  const struct outcome beyond = try_access('r', p + page, 0);
  tell("signal in the page beyond the end", beyond.signal);
  tell("its code", beyond.code);

  long offsets = 0;
  const off_t odd[] = {1, 100, (off_t)page - 1, (off_t)page + 1};
  for (size_t i = 0; i < 4; i++) offsets += refused(NULL, page, MAP_PRIVATE, fd, odd[i]);
  tell("odd offsets refused", offsets);
  tell("length 0 refused", refused(NULL, 0, MAP_PRIVATE, fd, 0));
  tell("odd fixed address refused", refused(p + 1, page, MAP_PRIVATE | MAP_FIXED, fd, 0));
  errno = 0;
  tell("munmap of an odd address refused", munmap(p + 1, page) == -1 && errno == EINVAL);
  return 0;
}
