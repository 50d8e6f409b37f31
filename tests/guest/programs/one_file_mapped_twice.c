// Two shared mappings of one file are one memory, by whichever name or descriptor. Source: mmap(2).
#include "guest.h"

int main(void) {
  int fd = make_file("file", 4 * PAGE);
  MUST(link("file", "hard"));
  MUST(symlink("file", "soft"));
  int hard = MUST(open("hard", O_RDWR)), soft = MUST(open("soft", O_RDWR));
  char* one = map_island(4 * PAGE, RW, MAP_SHARED, fd, 0);
  char* two = map_island(4 * PAGE, RW, MAP_SHARED, hard, 0);
  char* three = map_island(2 * PAGE, RW, MAP_SHARED, soft, 2 * PAGE);
  strcpy(one, "one");
  strcpy(two + PAGE, "two");
  strcpy(three + PAGE, "three");
  printf("%s %s %s %s\n", two, one + PAGE, one + 3 * PAGE, two + 3 * PAGE);
  for (int i = 0; i < 1000; ++i) {
    one[2 * PAGE] = (char)i;
    if (two[2 * PAGE] != (char)i || three[0] != (char)i) return 1;
    three[0] = (char)(i + 1);
    if (one[2 * PAGE] != (char)(i + 1)) return 2;
  }
  // Overlaid in one place: two windows side by side over the same page.
  char* windows = map_island(8 * PAGE, RW, ANON, -1, 0);
  for (int i = 0; i < 8; ++i)
    MUST(mmap(windows + i * (long)PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, (off_t)(i % 2 * PAGE)));
  strcpy(windows + 4 * PAGE - 2, "xy over a border");
  printf("%.2s|%s\n", windows + 6 * PAGE - 2, windows);
  show_maps("windows", windows, 8 * PAGE);
  return 0;
}
