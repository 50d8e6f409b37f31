// Stores into `argv[2]` MiB of the file `argv[1]` through a mapping, page by page, which under a memory limit means that dirty
// pages have to be written back for others to come. Tells what the mapping shows, what the syncs say, and what the file holds.
#include "guest.h"

static char* map;
static size_t pages;

static char stamp_of(size_t page) { return (char)(page % 100 + 1); }

static size_t wrong_in_mapping(void) {
  size_t wrong = 0;
  for (size_t i = 0; i < pages; ++i) wrong += map[i * PAGE + i % PAGE] != stamp_of(i);
  return wrong;
}

static size_t wrong_in_file(int file) {
  static char page[PAGE];
  size_t wrong = 0;
  for (size_t i = 0; i < pages; ++i) wrong += pread(file, page, PAGE, (off_t)(i * PAGE)) != PAGE || page[i % PAGE] != stamp_of(i);
  return wrong;
}

static void tell(const char* what, int result) { printf("%s: %s\n", what, result == 0 ? "0" : errno_name(errno)); }

int main(int argc, char** argv) {
  (void)argc;
  pages = strtoul(argv[2], NULL, 10) * MIB / PAGE;
  const int file = MUST(open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600));
  MUST(ftruncate(file, (off_t)(pages * PAGE)));
  map = MUST(mmap(NULL, pages * PAGE, RW, MAP_SHARED, file, 0));
  for (size_t i = 0; i < pages; ++i) map[i * PAGE + i % PAGE] = stamp_of(i);
  printf("wrong in the mapping: %zu\n", wrong_in_mapping());
  tell("msync", msync(map, pages * PAGE, MS_SYNC));
  tell("msync", msync(map, pages * PAGE, MS_SYNC));
  tell("fsync", fsync(file));
  printf("wrong in the mapping: %zu\nwrong in the file: %zu\n", wrong_in_mapping(), wrong_in_file(file));
  return 0;
}
