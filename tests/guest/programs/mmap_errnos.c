// Which mmap calls are refused, and with which errno. Source: mmap(2), ERRORS.
#include "guest.h"

int main(void) {
  int fd = make_file("file", 3 * PAGE);
  int reader = MUST(open("file", O_RDONLY));
  int writer = MUST(open("file", O_WRONLY));
  int directory = MUST(open(".", O_RDONLY | O_DIRECTORY));
  int ends[2];
  MUST(pipe(ends));
  char* area = map_anon(4 * PAGE);

  SHOW_MAP(mmap(0, 0, RW, ANON, -1, 0));
  SHOW_MAP(mmap(0, 1, RW, ANON, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_ANONYMOUS, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_PRIVATE | MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_PRIVATE | 0x80000000u | MAP_ANONYMOUS, -1, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 1));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 2048));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, -4096));
  SHOW_MAP(mmap(0, PAGE, RW, ANON, -1, PAGE));
  SHOW_MAP(mmap(0, PAGE, RW, ANON, -1, 5));
  SHOW_MAP(mmap(area + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
  SHOW_MAP(mmap(area + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
  SHOW_MAP(mmap(area + 1, PAGE, RW, ANON, -1, 0));
  SHOW_MAP(mmap(area + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  SHOW_MAP(mmap(area + 1, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  MUST(munmap(area + PAGE, PAGE));
  CHECK(mmap(area + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == area + PAGE);
  SHOW_MAP(mmap(area, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  SHOW_MAP(mmap(0, (size_t)-1, RW, ANON, -1, 0));
  SHOW_MAP(mmap(0, (size_t)-4096, RW, ANON, -1, 0));
  SHOW_MAP(mmap(0, (size_t)1 << 47, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  SHOW_MAP(mmap((void*)0x7fffffff0000, 16 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
  SHOW_MAP(mmap((void*)0xffff800000000000, PAGE, RW, ANON | MAP_FIXED, -1, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 999, 0));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_SHARED, reader, 0));
  SHOW_MAP(mmap(0, PAGE, RW, MAP_PRIVATE, reader, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED, reader, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, writer, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_WRITE, MAP_SHARED, writer, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, directory, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED, ends[0], 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x80000000u, fd, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_SYNC, fd, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 1 << 30));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)(INT64_MAX & ~4095)));
  SHOW_MAP(mmap(0, PAGE, 0x80, ANON, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW | PROT_EXEC, ANON, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW, ANON | MAP_GROWSDOWN, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW, ANON_SHARED | MAP_GROWSDOWN, -1, 0));
  SHOW_MAP(mmap(0, PAGE, RW, ANON | MAP_STACK | MAP_NORESERVE | MAP_POPULATE | MAP_LOCKED, -1, 0));
  SHOW_MAP(mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_DENYWRITE | MAP_EXECUTABLE, fd, 0));
  SHOW_MAP(mmap(0, PAGE, RW, ANON | MAP_32BIT, -1, 0));
  return 0;
}
