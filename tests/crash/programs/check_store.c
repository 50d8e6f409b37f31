// check_store FILE [told]: whether all records that count are whole; with `told`, whether what was told is there, too.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096 };

static int told(void) {
  FILE* output = fopen(getenv("PAGEFOLD_CRASH_OUTPUT"), "r");
  int last = 0;
  while (output != NULL && fscanf(output, "stored %d\n", &last) == 1) continue;
  return last;
}

int main(int argc, char** argv) {
  const int fd = open(argv[1], O_RDONLY);
  int n = 0;
  if (fd >= 0 && read(fd, &n, sizeof n) < 0) return 2;
  if (argc > 2 && told() > n) {
    printf("record %d was told, %d are there\n", told(), n);
    return 1;
  }
  for (int i = 1; i <= n; ++i) {
    char bytes[PAGE];
    if (pread(fd, bytes, PAGE, (long)PAGE * i) != PAGE) {
      printf("record %d of %d is cut off\n", i, n);
      return 1;
    }
    for (int k = 0; k < PAGE; ++k)
      if (bytes[k] != 'a' + i % 26) {
        printf("record %d of %d is wrong at byte %d\n", i, n, k);
        return 1;
      }
  }
  return 0;
}
