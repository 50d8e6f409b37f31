// msync_pages PAGES: stores into that many pages of a file and synchronises them, again and again; ns an msync.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "measure.h"

enum { kPage = 4096, kFilePages = 8192 };

int main(int argc, char** argv) {
  const long pages = argument(argc, argv, 1);
  const long rounds = pages > 1000 ? 10 : 100;
  const int fd = open("msync.data", O_RDWR | O_CREAT, 0644);
  must(fd >= 0 && posix_fallocate(fd, 0, (off_t)kFilePages * kPage) == 0, "msync.data");
  char* map = mmap(NULL, (size_t)kFilePages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  must(map != MAP_FAILED, "mmap");
  for (long i = 0; i < kFilePages; ++i) map[i * kPage] = 1;
  must(msync(map, (size_t)kFilePages * kPage, MS_SYNC) == 0 && fsync(fd) == 0, "msync");
  int64_t total = 0;
  for (long round = 0; round < rounds; ++round) {
    for (long i = 0; i < pages; ++i) map[(i * 2 % kFilePages) * kPage + round] = (char)round;
    const int64_t start = now_ns();
    must(msync(map, (size_t)kFilePages * kPage, MS_SYNC) == 0, "msync");
    total += now_ns() - start;
  }
  report_ns(total, rounds);
  return 0;
}
