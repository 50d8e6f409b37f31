// MAP_POPULATE faults the whole mapping in at once; mmap succeeds even where population cannot. Source: mmap(2).
#include "guest.h"

int main(void) {
  char* plain = map_anon(16 * PAGE);
  char* populated = map_island(16 * PAGE, RW, ANON | MAP_POPULATE, -1, 0);
  show_mincore("plain", plain, 16 * PAGE);
  show_mincore("populated", populated, 16 * PAGE);
  CHECK(all_are(populated, 16 * PAGE, 0));
  int fd = make_file_read_only("file", 2 * PAGE + 100);
  char* file = map_island(4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  CHECK(file[0] == 'A' && file[2 * PAGE + 99] == 'C' && file[2 * PAGE + 100] == 0);
  TOUCH(Read, file + 3 * PAGE);
  file = map_island(2 * PAGE, RW, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  file[0] = 'w';
  CHECK(file[0] == 'w' && file[PAGE] == 'B');
  SHOW_MAP(mmap(0, 4 * PAGE, PROT_NONE, ANON | MAP_POPULATE, -1, 0));
  char* large = SHOW_MAP(mmap(0, 16 * MIB, RW, ANON | MAP_POPULATE, -1, 0));
  CHECK(all_are(large, 16 * MIB, 0));
  SHOW(munmap(large, 16 * MIB));
  return 0;
}
