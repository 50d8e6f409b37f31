// RLIMIT_AS bounds every mapping, RLIMIT_DATA the private writable ones and the heap. Source: getrlimit(2).
#include <linux/openat2.h>

#include "guest.h"

static void in_child(const char* title, void (*body)(void)) {
  printf("-- %s\n", title);
  pid_t child = fork_child();
  if (child == 0) {
    body();
    leave(0);
  }
  show_end(title, child);
}

static void address_space(void) {
  MUST(setrlimit(RLIMIT_AS, &(struct rlimit){GIB, GIB}));
  SHOW_MAP(mmap(0, 2 * GIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  char* half = SHOW_MAP(mmap(0, 512 * MIB, PROT_NONE, ANON, -1, 0));
  SHOW_MAP(mmap(0, 600 * MIB, PROT_READ, ANON_SHARED, -1, 0));
  SHOW_MAP(mremap(half, 512 * MIB, 1100 * MIB, MREMAP_MAYMOVE));
  CHECK(sbrk(600 * MIB) == (void*)-1 && errno == ENOMEM);
  CHECK(malloc(600 * MIB) == 0);
  SHOW(munmap(half, 512 * MIB));
  SHOW_MAP(mmap(0, 600 * MIB, PROT_READ, ANON_SHARED, -1, 0));
}

static void data(void) {
  MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){64 * MIB, 64 * MIB}));
  SHOW_MAP(mmap(0, 128 * MIB, RW, ANON, -1, 0));
  char* none = SHOW_MAP(mmap(0, 128 * MIB, PROT_NONE, ANON, -1, 0));
  SHOW_MAP(mmap(0, 128 * MIB, PROT_READ, ANON, -1, 0));
  SHOW_MAP(mmap(0, 128 * MIB, RW, ANON_SHARED, -1, 0));
  SHOW(mprotect(none, 128 * MIB, RW));
  SHOW(mprotect(none, 16 * MIB, RW));
  SHOW(mprotect(none, 16 * MIB, PROT_READ));
  SHOW(mprotect(none, 32 * MIB, RW));
  SHOW(mprotect(none + 32 * MIB, 32 * MIB, RW));
  CHECK(sbrk(40 * MIB) == (void*)-1 && errno == ENOMEM);
  SHOW(munmap(none, 32 * MIB));
  CHECK(sbrk(40 * MIB) != (void*)-1);
}

static void inherited(void) {
  MUST(setrlimit(RLIMIT_AS, &(struct rlimit){GIB, GIB}));
  pid_t child = fork_child();
  if (child == 0) {
    SHOW_MAP(mmap(0, 2 * GIB, PROT_NONE, ANON, -1, 0));
    leave(0);
  }
  show_end("grandchild", child);
}

// As a shell's "ulimit" or a service manager looks at another process: openat2, restricted and not, gives the same.
static void shown(void) {
  MUST(setrlimit(RLIMIT_AS, &(struct rlimit){GIB, 2 * GIB}));
  MUST(setrlimit(RLIMIT_DATA, &(struct rlimit){64 * MIB, RLIM_INFINITY}));
  struct open_how how = {.flags = O_RDONLY};
  int fds[] = {MUST(open("/proc/self/limits", O_RDONLY)),
               (int)MUST(syscall(SYS_openat2, AT_FDCWD, "/proc/thread-self/limits", &how, sizeof how))};
  for (int i = 0; i < 2; ++i) {
    static char text[8192];
    text[MUST(read(fds[i], text, sizeof text - 1))] = 0;
    for (char* line = strtok(text, "\n"); line; line = strtok(0, "\n"))
      if (strstr(line, "data size") || strstr(line, "address space")) puts(line);
  }
}

int main(void) {
  in_child("RLIMIT_AS", address_space);
  in_child("RLIMIT_DATA", data);
  in_child("inherited at fork", inherited);
  in_child("/proc/self/limits", shown);
  SHOW_MAP(mmap(0, 2 * GIB, PROT_NONE, ANON, -1, 0));
  return 0;
}
