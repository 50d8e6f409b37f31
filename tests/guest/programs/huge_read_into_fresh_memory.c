// One read of 48 MiB into memory never touched, and one write of it out again. Source: read(2).
#include "guest.h"

int main(void) {
  const size_t length = 48 * MIB;
  int fd = MUST(open("big", O_RDWR | O_CREAT, 0644));
  char* pattern = map_anon(MIB);
  for (size_t i = 0; i < MIB; ++i) pattern[i] = (char)(i * 31 >> 5);
  for (size_t done = 0; done < length; done += MIB) {
    pattern[0] = (char)(done / MIB);
    MUST(write(fd, pattern, MIB));
  }
  char* fresh = map_anon(length);
  SHOW(pread(fd, fresh, length, 0) == (ssize_t)length);
  unsigned sum = 0;
  for (size_t i = 0; i < length; i += 61) sum = sum * 31 + (unsigned char)fresh[i];
  printf("sum %u\n", sum);
  int copy = MUST(open("copy", O_RDWR | O_CREAT, 0644));
  SHOW(write(copy, fresh, length) == (ssize_t)length);
  char* mapped = map_island(length, PROT_READ, MAP_PRIVATE, fd, 0);
  CHECK(memcmp(mapped, fresh, length) == 0);
  SHOW(lseek(copy, 0, SEEK_SET));
  SHOW(write(copy, mapped, length) == (ssize_t)length);
  return 0;
}
