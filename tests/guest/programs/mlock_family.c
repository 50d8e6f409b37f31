// mlock, mlock2, munlock, mlockall, munlockall: locking faults pages in; MCL_FUTURE does so for later mappings.
// Source: mlock(2).
#include "guest.h"

// VmLck of this process in kB, from its own status.
static long locked_kib(void) {
  char line[256];
  long value = -1;
  FILE* status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status)) sscanf(line, "VmLck: %ld", &value);
  fclose(status);
  return value;
}

int main(void) {
  static char buffer[1 << 16];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  if (geteuid() != 0) skip("locking at will needs root");
  char* area = map_anon(8 * PAGE);
  SHOW(mlock(area + PAGE, 2 * PAGE));
  show_mincore("locked pages", area, 8 * PAGE);
  SHOW(locked_kib());
  SHOW(mlock(area + 4 * PAGE + 10, 1));
  show_mincore("unaligned start", area, 8 * PAGE);
  SHOW(locked_kib());
  SHOW(madvise(area + PAGE, PAGE, MADV_DONTNEED));
  SHOW(munlock(area + PAGE, PAGE));
  SHOW(madvise(area + PAGE, PAGE, MADV_DONTNEED));
  SHOW(locked_kib());
  SHOW(mlock(area, 0));
  SHOW(mlock(area, (size_t)-1));
  SHOW(mlock((void*)(8 * PAGE), PAGE));
  SHOW(munlock((void*)(8 * PAGE), PAGE));
  SHOW(mlock2(area, PAGE, 0x80));
  SHOW(mlock2(area + 5 * PAGE, PAGE, MLOCK_ONFAULT));
  show_mincore("locked on fault", area, 8 * PAGE);
  MUST(mprotect(area + 6 * PAGE, PAGE, PROT_NONE));
  SHOW(mlock(area + 6 * PAGE, PAGE));
  MUST(munmap(area + 7 * PAGE, PAGE));
  SHOW(mlock(area + 5 * PAGE, 3 * PAGE));
  SHOW(munlock(area, 6 * PAGE));

  SHOW(mlockall(0));
  SHOW(mlockall(0x80));
  SHOW(mlockall(MCL_ONFAULT));
  SHOW(mlockall(MCL_FUTURE));
  char* later = map_anon(3 * PAGE);
  show_mincore("mapped later", later, 3 * PAGE);
  SHOW(mlockall(MCL_FUTURE | MCL_ONFAULT));
  later = map_anon(3 * PAGE);
  show_mincore("mapped later, on fault", later, 3 * PAGE);
  pid_t child = fork_child();
  if (child == 0) {
    SHOW(locked_kib());  // locks are not inherited
    leave(0);
  }
  show_end("child", child);
  SHOW(munlockall());
  SHOW(locked_kib());
  later = map_anon(3 * PAGE);
  show_mincore("mapped after all", later, 3 * PAGE);
  char* flagged = map_island(3 * PAGE, RW, ANON | MAP_LOCKED, -1, 0);
  show_mincore("MAP_LOCKED", flagged, 3 * PAGE);
  SHOW(locked_kib());
  return 0;
}
