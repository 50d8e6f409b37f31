// ledger FILE synced|forgotten: three entries in a mapped file. Entry i is page i, full of one letter; page 0 says how many count.
// An entry is stored, then counted: with msync after each of the two, or with the first msync forgotten.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, ENTRIES = 3 };

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int fd = open(argv[1], O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, PAGE * (ENTRIES + 1)) != 0 || fsync(fd) != 0) return 1;
  const int directory = open(".", O_RDONLY | O_DIRECTORY);
  if (directory < 0 || fsync(directory) != 0) return 1;
  char* map = mmap(NULL, PAGE * (ENTRIES + 1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return 1;
  for (int i = 1; i <= ENTRIES; ++i) {
    memset(map + i * PAGE, 'a' + i, PAGE);
    if (strcmp(argv[2], "synced") == 0 && msync(map + i * PAGE, PAGE, MS_SYNC) != 0) return 1;
    memcpy(map, &i, sizeof i);
    if (msync(map, PAGE, MS_SYNC) != 0) return 1;
  }
  return 0;
}
