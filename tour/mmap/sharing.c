// Writes one word through a shared mapping of a file and another through a private one; who sees which?
#include "../common/probe.h"

static long file_has(int fd, const char* word, off_t at) {
  char buffer[16] = {0};
  if (pread(fd, buffer, strlen(word), at) < 0) die("pread");
  return strcmp(buffer, word) == 0;
}

int main(int argc, char** argv) {
  if (argc != 2) die("usage: sharing FILE");
  const int fd = open_or_die(argv[1], O_RDWR);
  char* shared = (char*)map_or_die(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char* private = (char*)map_or_die(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  memcpy(shared, "SHARED", 6);
  tell("shared store seen by read", file_has(fd, "SHARED", 0));
  memcpy(private + 100, "PRIVATE", 7);
  tell("private store seen by its own mapping", memcmp(private + 100, "PRIVATE", 7) == 0);
  tell("private store seen by read", file_has(fd, "PRIVATE", 100));
  tell("private store seen by the shared mapping", memcmp(shared + 100, "PRIVATE", 7) == 0);
  if (msync(shared, page_size(), MS_SYNC) != 0) die("msync");
  return 0;
}
