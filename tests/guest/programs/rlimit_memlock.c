// Without CAP_IPC_LOCK, RLIMIT_MEMLOCK bounds what may be locked. Source: mlock(2), getrlimit(2).
#include <grp.h>

#include "guest.h"

static void limit(size_t bytes) { MUST(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){bytes, 64 * KIB})); }

int main(void) {
  if (geteuid() != 0) skip("a drop of privileges needs root");
  MUST(setgroups(0, 0));
  MUST(setresgid(65534, 65534, 65534));
  MUST(setresuid(65534, 65534, 65534));
  limit(32 * KIB);
  char* area = map_anon(64 * PAGE);
  SHOW(mlock(area, 4 * PAGE));
  SHOW(mlock(area, 9 * PAGE));
  SHOW(mlock(area + 4 * PAGE, 4 * PAGE));
  SHOW(mlock(area + 8 * PAGE, 1));
  SHOW(mlock(area, 4 * PAGE));
  SHOW(munlock(area, 4 * PAGE));
  SHOW(mlock(area + 8 * PAGE, 4 * PAGE));
  SHOW(munlock(area, 64 * PAGE));
  SHOW_MAP(mmap(0, 9 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
  SHOW_MAP(mmap(0, 2 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
  SHOW(mlockall(MCL_CURRENT));
  SHOW(munlockall());
  limit(0);
  SHOW(mlock(area, PAGE));
  SHOW(mlockall(MCL_FUTURE));
  SHOW(munlock(area, PAGE));
  SHOW(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){MIB, MIB}));
  return 0;
}
