// A same-size rewrite by another process shows at once in mappings that existed before: read-only shared ones, and the
// untouched pages of private ones. Source: mmap(2); POSIX leaves private pages open, Linux shows the file until copied.
#include "guest.h"

static void rewrite(const char* text, off_t offset) {
  pid_t child = fork_child();
  if (child == 0) {
    int fd = MUST(open("file", O_WRONLY));
    MUST(pwrite(fd, text, strlen(text) + 1, offset));
    leave(0);
  }
  show_end("rewritten", child);
}

int main(void) {
  int fd = make_file_read_only("file", 4 * PAGE);
  char* shared = map_island(4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  char* private = map_island(4 * PAGE, RW, MAP_PRIVATE, fd, 0);
  printf("before: %.4s %.4s\n", shared, private);
  private[PAGE] = 'p';
  for (int round = 0; round < 5; ++round) {
    char text[8] = "round 0";
    text[6] = (char)('0' + round);
    rewrite(text, 0);
    rewrite(text, PAGE);
    rewrite(text, 3 * PAGE);
    printf("shared: %.8s %.8s %.8s\n", shared, shared + PAGE, shared + 3 * PAGE);
    printf("private: %.8s %.8s %.8s\n", private, private + PAGE, private + 3 * PAGE);
    char text_read[8];
    MUST(pread(fd, text_read, 8, 3 * PAGE));
    printf("read: %.8s\n", text_read);
  }
  return 0;
}
