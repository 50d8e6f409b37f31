// Megabytes through a pipe from and into memory, in pieces that cross pages; splice, vmsplice and tee as well.
// Source: pipe(7), splice(2), vmsplice(2).
#include "guest.h"

static unsigned sum_of(const char* data, size_t length) {
  unsigned value = 0;
  for (size_t i = 0; i < length; ++i) value = value * 31 + (unsigned char)data[i];
  return value;
}

int main(void) {
  const size_t length = 3 * MIB + 123;
  char* source = map_anon(length + PAGE) + 77;
  for (size_t i = 0; i < length; ++i) source[i] = (char)(i * 7 >> 3);
  int ends[2];
  MUST(pipe(ends));
  pid_t child = fork_child();
  if (child == 0) {
    close(ends[0]);
    for (size_t sent = 0; sent < length;) {
      size_t piece = 5000 + sent % 3333;
      if (piece > length - sent) piece = length - sent;
      sent += (size_t)MUST(write(ends[1], source + sent, piece));
    }
    leave(0);
  }
  close(ends[1]);
  char* target = map_anon(length + 2 * PAGE) + 999;
  size_t got = 0;
  for (ssize_t count; (count = MUST(read(ends[0], target + got, 7001))) > 0;) got += (size_t)count;
  show_end("writer", child);
  printf("%zu bytes, sum %s\n", got, sum_of(source, length) == sum_of(target, length) ? "right" : "wrong");

  // splice from a file to a pipe, tee, vmsplice from memory.
  int fd = make_file("file", 8 * PAGE), out = MUST(open("out", O_RDWR | O_CREAT, 0644)), other[2];
  MUST(pipe(ends));
  MUST(pipe(other));
  SHOW(splice(fd, &(off_t){100}, ends[1], 0, 3 * PAGE, 0) > 0);
  SHOW(tee(ends[0], other[1], PAGE, 0) > 0);
  char* fresh = map_anon(4 * PAGE);
  SHOW(read(ends[0], fresh + 50, PAGE));
  printf("%c %c\n", fresh[50], fresh[50 + PAGE - 1]);
  SHOW(read(other[0], fresh + 2 * PAGE - 3, 6));
  printf("%.6s\n", fresh + 2 * PAGE - 3);
  close(ends[0]);
  MUST(pipe(ends));
  memset(fresh, 'v', 2 * PAGE);
  struct iovec pieces = {fresh + 10, PAGE};
  SHOW(vmsplice(ends[1], &pieces, 1, 0));
  SHOW(splice(ends[0], 0, out, 0, PAGE, 0));
  char text[8];
  MUST(pread(out, text, 8, PAGE - 8));
  printf("%.8s\n", text);
  return 0;
}
