// The lecture's own program: `./mmap textfile.txt` maps a text file, prints it from memory and shows its maps.
#include "../common/probe.h"

int main(int argc, char** argv) {
  if (argc != 2) die("usage: mmap FILE");
  const int fd = open_or_die(argv[1], O_RDONLY);
  const size_t size = size_of(fd);
  const unsigned char* text = map_or_die(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  fwrite(text, 1, size, stdout);
  printf("mapped at: %p\n", (const void*)text);

  char line[1024];
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) die("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) fputs(line, stdout);
  fclose(maps);
  return 0;
}
