// audit FILE: 0 if every entry of a ledger that counts is whole.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PAGE = 4096 };

int main(int argc, char** argv) {
  const int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
  int entries = 0;
  if (fd < 0 || pread(fd, &entries, sizeof entries, 0) < 0) return 2;
  for (int i = 1; i <= entries; ++i) {
    char page[PAGE];
    if (pread(fd, page, PAGE, (off_t)i * PAGE) != PAGE) return 1;
    for (int k = 0; k < PAGE; ++k) {
      if (page[k] == 'a' + i) continue;
      printf("entry %d of %d is wrong at byte %d\n", i, entries, k);
      return 1;
    }
  }
  return 0;
}
