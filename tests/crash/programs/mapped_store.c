// mapped_store good|missing|order|create|early|late|over FILE N: appends N records to a file through a shared mapping. Page 0 holds the number of
// records; record i is page i, filled with a letter. After each record, "stored i" is told.
//
//   good     the record is synchronised before the number that makes it count
//   missing  it is not synchronised at all
//   order    the number is synchronised first
//   create   as good, but the directory never learns of the file
//
// With no call between the stores, which are synchronised together:
//
//   early    the number is stored before the record
//   late     and after it
//   over     the number is first one too many, then the record is stored, then the number is right
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

static char* map;

static int sync_page(int page) { return msync(map + (long)page * PAGE, PAGE, MS_SYNC); }
static void fill(int i) { memset(map + (long)i * PAGE, 'a' + i % 26, PAGE); }
static void count(int i) { memcpy(map, &i, sizeof i); }

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const char* mode = argv[1];
  const int n = atoi(argv[3]);
  const int fd = open(argv[2], O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, (long)PAGE * (n + 1)) != 0 || fsync(fd) != 0) return 1;
  const int directory = open(".", O_RDONLY | O_DIRECTORY);
  if (strcmp(mode, "create") != 0 && fsync(directory) != 0) return 1;
  map = mmap(NULL, (size_t)PAGE * (size_t)(n + 1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return 1;
  for (int i = 1; i <= n; ++i) {
    if (strcmp(mode, "order") == 0) {
      count(i);
      sync_page(0);
      fill(i);
      sync_page(i);
    } else if (strcmp(mode, "early") == 0 || strcmp(mode, "late") == 0 || strcmp(mode, "over") == 0) {
      if (mode[0] != 'l') count(mode[0] == 'o' && i < n ? i + 1 : i);
      fill(i);
      if (mode[0] != 'e') count(i);
      msync(map, (size_t)PAGE * (size_t)(n + 1), MS_SYNC);
    } else {
      fill(i);
      if (strcmp(mode, "missing") != 0) sync_page(i);
      count(i);
      sync_page(0);
    }
    printf("stored %d\n", i);
    fflush(stdout);
  }
  return 0;
}
