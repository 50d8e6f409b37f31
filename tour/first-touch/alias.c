// Maps the first page of a file once or twice (the second argument) and reads it through each mapping; then a page of
// shared memory twice, stores through one address and reads through the other.
#include "../common/probe.h"

static void same_file(const char* path, int times) {
  const int fd = open_or_die(path, O_RDONLY);
  const volatile unsigned char* first = map_or_die(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
  const volatile unsigned char* second =
      times == 2 ? map_or_die(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0) : first;
  tell("first bytes agree", first[0] == second[0] && first[1] == second[1]);
  printf("file: addresses %p and %p\n", (const void*)first, (const void*)second);
  printf("file: frames %lx and %lx\n", frame_of(first), frame_of(second));
  tell("file: two addresses", first != second);
  tell("file: one frame", frame_of(first) == frame_of(second) && in_page_table(first) && in_page_table(second));
}

static void same_memory(void) {
  const int fd = memfd_create("lesson", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, (off_t)page_size()) != 0) die("memfd_create");
  volatile unsigned char* first = map_or_die(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  volatile unsigned char* second = map_or_die(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  first[100] = 7;
  const int forward = second[100] == 7;
  second[200] = 9;
  tell("memory: stores seen through the other address", forward + (first[200] == 9));
  tell("memory: one frame", frame_of(first) == frame_of(second));
}

int main(int argc, char** argv) {
  if (argc != 3) die("usage: alias FILE 1|2");
  tell("frame numbers visible", frame_numbers_visible());
  same_file(argv[1], atoi(argv[2]));
  same_memory();
  return 0;
}
