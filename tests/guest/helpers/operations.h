// What the operations of runs_file_operations.c share: slots of descriptors and mappings, the numbers of the line, and how results
// are told.
#pragma once

#include "guest.h"
#include "own_maps.h"

enum { kFds = 8, kMaps = 8, kSlotPages = 64, kNumbers = 8, kMostBytes = 1 << 20 };
#define ISLAND ((char*)0x20000000000)
#define SLOT_STRIDE ((size_t)256 * MIB)

static int fds[kFds];
static char buffer[kMostBytes];
static long a[kNumbers];
static char name1[8], name2[8];

static size_t read_own_runs(void) { return read_runs(ISLAND, ISLAND + kMaps * SLOT_STRIDE); }

static char* slot(long m) { return ISLAND + (size_t)(m & (kMaps - 1)) * SLOT_STRIDE; }
static char* page_at(long m, long page) { return slot(m) + page * (long)PAGE; }
static int fd_of(long f) { return fds[f & (kFds - 1)]; }
static const char* name_of(long n, char* into) {
  sprintf(into, "f%ld", n & 7);
  return into;
}
static size_t bounded(long length) { return (size_t)length & (kMostBytes - 1); }

static unsigned sum(const char* bytes, size_t length) {
  unsigned h = 2166136261u;
  for (size_t i = 0; i < length; ++i) h = (h ^ (unsigned char)bytes[i]) * 16777619u;
  return h;
}

static void tell(long result) {
  if (result == -1)
    printf(" = %s", errno_name(errno));
  else
    printf(" = %ld", result);
}

static void tell_bytes(long result) {
  tell(result);
  if (result > 0) printf(" %08x", sum(buffer, (size_t)result));
}

static sigjmp_buf back;
static siginfo_t what;
static void on_signal(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  what = *info;
  siglongjmp(back, 1);
}

static void tell_signal(void) {
  size_t offset = (size_t)((char*)what.si_addr - ISLAND);
  printf(" %s/%d@%zu+%zu", sigabbrev_np(what.si_signo), what.si_code, offset / SLOT_STRIDE, offset % SLOT_STRIDE);
}

// Touches [at, at + length) page by page.
static void reach(char* at, size_t length, int store, int byte) {
  const size_t count = store ? read_own_runs() : 0;
  volatile unsigned h = 0;
  volatile size_t done = 0;
  while (done < length) {
    const volatile size_t ahead = PAGE - ((uintptr_t)(at + done) & (PAGE - 1)), n = ahead < length - done ? ahead : length - done;
    if (sigsetjmp(back, 1) == 0) {
      if (store)
        memset(at + done, byte, before_the_end(count, at + done, n));
      else
        h = h * 31 + sum(at + done, n);
    } else {
      tell_signal();
    }
    done += n;
  }
  if (!store) printf(" %08x", h);
}

static void fill(int byte, size_t length) {
  for (size_t i = 0; i < length; ++i) buffer[i] = (char)(byte + (int)(i >> 9));
}

#define PICK(table, i) table[(size_t)(i) % (sizeof table / sizeof *table)]
