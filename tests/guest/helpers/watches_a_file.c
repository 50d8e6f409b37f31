// Maps "file" (shared and private, read-only) and shows its state each time the process outside says so: a file
// "step-N" appears, the mappings and read(2) are shown, "seen-N" is created. "end" ends it.
#include "guest.h"

static bool exists(const char* name) { return access(name, F_OK) == 0; }

static void show_range(const char* title, char* area, size_t pages) {
  printf("%s:", title);
  for (size_t page = 0; page < pages; ++page) {
    const char* result = touch(area + page * PAGE, Read);
    if (result[0] == 'o')
      printf(" %.8s", area[page * PAGE] ? area + page * PAGE : "(zero)");
    else
      printf(" %s", result);
  }
  printf("\n");
}

int main(void) {
  alarm(30);
  int fd = MUST(open("file", O_RDONLY));
  char* shared = map_island(6 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  char* private = map_island(6 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  for (int step = 0;; ++step) {
    char name[32];
    snprintf(name, sizeof name, "step-%d", step);
    while (!exists(name) && !exists("end")) usleep(500);
    if (exists("end")) break;
    printf("-- step %d\n", step);
    show_range("shared", shared, 6);
    show_range("private", private, 6);
    char text[9] = "";
    ssize_t count = MUST(pread(fd, text, 8, PAGE));
    printf("read: %zd %.8s\n", count, text);
    int again = MUST(open("file", O_RDONLY));
    char* fresh = map_island(PAGE, PROT_READ, MAP_SHARED, again, 0);
    printf("by name: %.8s\n", touch(fresh, Read)[0] == 'o' ? fresh : "(none)");
    close(again);
    snprintf(name, sizeof name, "seen-%d", step);
    MUST(open(name, O_WRONLY | O_CREAT, 0644));
  }
  return 0;
}
