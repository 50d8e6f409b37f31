// Scattered reads and gathered writes over page borders, touched and untouched pages mixed. Source: readv(2),
// process_vm_readv(2).
#include "guest.h"

int main(void) {
  char* source = map_anon(64 * PAGE);
  char* target = map_anon(64 * PAGE);
  for (size_t i = 0; i < 64 * PAGE; i += 3 * PAGE)
    for (size_t j = 0; j < PAGE; ++j) source[i + j] = (char)('a' + (i / PAGE + j) % 26);
  struct iovec out[32], in[20];
  size_t total = 0, room = 0;
  for (int i = 0; i < 32; ++i) {
    out[i] = (struct iovec){source + (size_t)i * 2 * PAGE - (i ? 100 : 0), 200 + (size_t)i * 13};
    total += out[i].iov_len;
  }
  for (int i = 0; i < 20; ++i) {
    in[i] = (struct iovec){target + (size_t)(3 * i + 1) * PAGE - 333, 700};
    room += in[i].iov_len;
  }
  int fd = MUST(open("file", O_RDWR | O_CREAT, 0644));
  CHECK(writev(fd, out, 32) == (ssize_t)total);
  SHOW(lseek(fd, 0, SEEK_SET));
  CHECK(readv(fd, in, 20) == (ssize_t)(total < room ? total : room));

  // Both ways of walking the bytes agree.
  size_t done = 0, good = 0;
  int o = 0, i = 0;
  size_t at_out = 0, at_in = 0;
  while (o < 32 && i < 20) {
    good += ((char*)out[o].iov_base)[at_out++] == ((char*)in[i].iov_base)[at_in++];
    ++done;
    if (at_out == out[o].iov_len) ++o, at_out = 0;
    if (at_in == in[i].iov_len) ++i, at_in = 0;
  }
  printf("%zu bytes, %zu agree\n", done, good);
  CHECK(target[PAGE - 334] == 0 && target[PAGE - 333 + 700] == 0);

  // A child reads the parent's memory: touched and never touched pages.
  char* fresh = map_anon(8 * PAGE);
  struct iovec local = {fresh + PAGE - 50, 100}, remote = {source + 3 * PAGE - 50, 100};
  SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
  CHECK(memcmp(fresh + PAGE - 50, source + 3 * PAGE - 50, 100) == 0);
  local = (struct iovec){source + 40 * PAGE - 10, 20}, remote = (struct iovec){target + 50 * PAGE - 10, 20};
  SHOW(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
  return 0;
}
