// A mapping belongs to the file, not to its name: rename over it and unlink change nothing, but maps says that the name
// is gone. Source: rename(2), mmap(2), proc_pid_maps(5).
#include "guest.h"

static void show_name(const char* title, const char* at) {
  char line[4096], wanted[32], name[2048] = "(none)";
  snprintf(wanted, sizeof wanted, "%lx-", (unsigned long)at);
  FILE* maps = fopen("/proc/self/maps", "r");
  if (!maps) exit(90);
  while (fgets(line, sizeof line, maps))
    if (strncmp(line, wanted, strlen(wanted)) == 0) sscanf(line, "%*s %*s %*s %*s %*s %2047[^\n]", name);
  fclose(maps);
  const char* last = strrchr(name, '/');
  printf("name of %s: %s\n", title, last ? last + 1 : name);
}

int main(void) {
  int old = make_file_read_only("file", 2 * PAGE);
  char* before = map_island(2 * PAGE, PROT_READ, MAP_PRIVATE, old, 0);
  char* untouched = map_island(2 * PAGE, PROT_READ, MAP_SHARED, old, 0);
  close(old);
  printf("old: %c\n", before[0]);
  show_name("old", before);
  int new = MUST(open("new", O_RDWR | O_CREAT, 0644));
  MUST(write(new, "replacement", 12));
  close(new);
  MUST(rename("new", "file"));
  printf("old, another page: %c, another mapping: %c\n", before[PAGE], untouched[PAGE]);
  int fd = MUST(open("file", O_RDONLY));
  char* after = map_island(PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  printf("new: %s\n", after);
  show_name("new", after);
  show_name("old", before);
  MUST(unlink("file"));
  printf("unlinked: %s\n", after);
  show_name("unlinked", after);

  // A deleted file without a name can still be mapped and grown.
  int nameless = make_file("nameless", PAGE);
  MUST(unlink("nameless"));
  char* area = map_island(4 * PAGE, RW, MAP_SHARED, nameless, 0);
  MUST(ftruncate(nameless, 4 * PAGE));
  strcpy(area + 3 * PAGE, "nameless");
  close(nameless);
  printf("%c %s\n", area[0], area + 3 * PAGE);

  // Many versions of one name: each mapping keeps its own.
  char* versions[20];
  for (int i = 0; i < 20; ++i) {
    int version = MUST(open("next", O_RDWR | O_CREAT | O_TRUNC, 0644));
    char text[8] = {(char)('a' + i)};
    MUST(write(version, text, sizeof text));
    close(version);
    MUST(rename("next", "current"));
    version = MUST(open("current", O_RDONLY));
    versions[i] = map_island(PAGE, PROT_READ, i % 2 ? MAP_SHARED : MAP_PRIVATE, version, 0);
    close(version);
  }
  for (int i = 0; i < 20; ++i) putchar(versions[i][0]);
  putchar('\n');
  return 0;
}
