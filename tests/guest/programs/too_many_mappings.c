// A process may have so many mappings and no more (vm.max_map_count): what would make one more gets ENOMEM, what is
// there goes on working. Source: mmap(2), munmap(2), mprotect(2), ERRORS.
#include "guest.h"

static long limit(void) {
  long most = 0;
  FILE* file = fopen("/proc/sys/vm/max_map_count", "r");
  if (file == NULL || fscanf(file, "%ld", &most) != 1) skip("no /proc/sys/vm/max_map_count");
  fclose(file);
  if (most > 100000) skip("vm.max_map_count is so large that reaching it takes too long");
  return most;
}

int main(void) {
  const long most = limit();
  char* all = map_island((size_t)(most + 10) * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
  long made = 0;
  errno = 0;
  for (long i = 1; i < most + 10; i += 2, made += 2)
    if (mprotect(all + i * (long)PAGE, PAGE, RW) != 0) break;
  printf("refused: %s; near the limit: %s\n", errno_name(errno), made > most - 200 && made <= most ? "yes" : "no");
  char* last = NULL;
  for (int i = 0; i < 10; ++i) {
    char* one = mmap(NULL, PAGE, i % 2 ? RW : PROT_READ, ANON_SHARED, -1, 0);
    if (one == MAP_FAILED) break;
    last = one;
  }
  printf("mmap at the limit: %s\n", errno_name(errno));
  SHOW(munmap(all + (made + 3) * (long)PAGE, PAGE));
  SHOW(mprotect(all + (made + 3) * (long)PAGE, PAGE, PROT_READ));
  for (long i = 1; i < 2001; i += 2) all[i * (long)PAGE] = (char)i;
  long sum = 0;
  for (long i = 1; i < 2001; i += 2) sum += (unsigned char)all[i * (long)PAGE];
  printf("stored and read again: %ld\n", sum);
  SHOW(munmap(all + PAGE, PAGE));
  CHECK(mmap(NULL, 3 * PAGE, RW, ANON_SHARED, -1, 0) != MAP_FAILED);
  CHECK(last == NULL || munmap(last, PAGE) == 0);
  SHOW(munmap(all, (size_t)(most + 10) * PAGE));
  return 0;
}
