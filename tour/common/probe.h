// What the tour's programs use to look at their own memory: try an access and see which signal it raises; ask the
// page table (/proc/self/pagemap) and the system (mincore, /proc/self/maps) about a page. Every program prints lines
// `key: value`, which the tour reads. Nothing here is Pagefold's: run natively, the programs tell of the host.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static inline size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static inline void die(const char* what) {
  perror(what);
  exit(2);
}

static inline void tell(const char* key, long value) { printf("%s: %ld\n", key, value); }

// ---- accesses -----------------------------------------------------------------------------------------------------

struct outcome {
  int signal;  // 0: the access was done
  int code;    // si_code: SEGV_MAPERR 1, SEGV_ACCERR 2, SEGV_PKUERR 4; BUS_ADRERR 2
  void* address;
};

static sigjmp_buf probe_return;
static volatile struct outcome probe_outcome;

static inline void probe_handler(int signal, siginfo_t* info, void* context) {
  (void)context;
  probe_outcome.signal = signal;
  probe_outcome.code = info->si_code;
  probe_outcome.address = info->si_addr;
  siglongjmp(probe_return, 1);
}

// kind: 'r' reads a byte, 'w' writes back the byte that pattern gives, 'x' calls the address as a function.
static inline struct outcome try_access(char kind, volatile unsigned char* at, unsigned char pattern) {
  struct sigaction action, old_segv, old_bus;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = probe_handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
  probe_outcome.signal = 0;
  probe_outcome.code = 0;
  probe_outcome.address = NULL;
  if (sigsetjmp(probe_return, 1) == 0) {
    if (kind == 'r') (void)*at;
    if (kind == 'w') *at = pattern;
    if (kind == 'x') ((void (*)(void))(uintptr_t)at)();
  }
  sigaction(SIGSEGV, &old_segv, NULL);
  sigaction(SIGBUS, &old_bus, NULL);
  return (struct outcome){probe_outcome.signal, probe_outcome.code, probe_outcome.address};
}

// ---- the page table, as the host's pagemap tells it --------------------------------------------------------------

static inline uint64_t pagemap_entry(const volatile void* at) {
  static int fd = -1;
  if (fd < 0) fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  uint64_t entry = 0;
  const off_t place = (off_t)((uintptr_t)at / page_size() * sizeof entry);
  if (fd < 0 || pread(fd, &entry, sizeof entry, place) != (ssize_t)sizeof entry) die("/proc/self/pagemap");
  return entry;
}

static inline int in_page_table(const volatile void* at) { return (int)(pagemap_entry(at) >> 63); }

// Frame number, 0 when the page has none or the kernel does not tell (it tells root only).
static inline uint64_t frame_of(const volatile void* at) {
  const uint64_t entry = pagemap_entry(at);
  return (entry >> 63) ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}

static inline long pages_in_page_table(const volatile unsigned char* start, size_t pages) {
  long present = 0;
  for (size_t i = 0; i < pages; i++) present += in_page_table(start + i * page_size());
  return present;
}

static inline int frame_numbers_visible(void) {
  volatile unsigned char here = 1;
  return frame_of(&here) != 0;
}

// ---- what the system says of mappings ----------------------------------------------------------------------------

struct mapping {
  uintptr_t start, end;
  char permissions[5];
  unsigned long offset, inode;
  char path[512];
};

static inline int parse_mapping(const char* line, struct mapping* m) {
  m->path[0] = 0;
  return sscanf(line, "%lx-%lx %4s %lx %*s %lu %511[^\n]", &m->start, &m->end, m->permissions, &m->offset, &m->inode,
                m->path) >= 5;
}

// The mapping that holds the address; 0 when there is none.
static inline int find_mapping(const volatile void* at, struct mapping* m) {
  char line[1024];
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) die("/proc/self/maps");
  int found = 0;
  while (!found && fgets(line, sizeof line, maps) != NULL)
    found = parse_mapping(line, m) && (uintptr_t)at >= m->start && (uintptr_t)at < m->end;
  fclose(maps);
  return found;
}

static inline unsigned char* map_or_die(void* at, size_t length, int protection, int flags, int fd, off_t offset) {
  void* p = mmap(at, length, protection, flags, fd, offset);
  if (p == MAP_FAILED) die("mmap");
  return p;
}

static inline unsigned char* anonymous_pages(size_t pages, int protection) {
  return map_or_die(NULL, pages * page_size(), protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static inline int open_or_die(const char* path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) die(path);
  return fd;
}

static inline size_t size_of(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) die("fstat");
  return (size_t)status.st_size;
}

static inline long nonzero_bytes(const volatile unsigned char* start, size_t length) {
  long count = 0;
  for (size_t i = 0; i < length; i++) count += start[i] != 0;
  return count;
}

// How many different values; numbers[] is small.
static inline long distinct(const uint64_t* numbers, size_t count) {
  long different = 0;
  for (size_t i = 0; i < count; i++) {
    size_t j = 0;
    while (j < i && numbers[j] != numbers[i]) j++;
    different += j == i;
  }
  return different;
}
