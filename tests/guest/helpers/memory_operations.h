// Operations on mappings, and calls whose buffers are mappings.
#pragma once

#include "operations.h"
#include "origins.h"

static const int kAdvice[] = {MADV_DONTNEED, MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_REMOVE, MADV_SEQUENTIAL,
                              MADV_FREE, MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD};
static const int kSync[] = {MS_SYNC, MS_ASYNC, MS_INVALIDATE | MS_SYNC, MS_INVALIDATE, 0};

// The file's own bytes, to and from a mapping: the kernel touches the pages.
static void op_read_map(void) {
  char* to = slot(a[1]) + a[2];
  const size_t count = read_own_runs(), length = bounded(a[3]);
  if (fills_behind_the_end(count, to, length) || meets_itself(count, kToMemory, to, length, fd_of(a[0]), a[4], 0)) return;
  tell(pread(fd_of(a[0]), to, length, a[4]));
}
static void op_map(void) {
  int flags = (a[4] & 1 ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | (a[4] & 2 ? MAP_POPULATE : 0);
  size_t length = (size_t)(a[2] % kSlotPages) * PAGE;
  void* made = mmap(slot(a[0]), length, (int)a[3] & 7, flags, fd_of(a[1]), a[5] * (off_t)PAGE);
  tell(made == MAP_FAILED ? -1 : 0);
  if (made == MAP_FAILED) return;
  note_mapped_file(fd_of(a[1]));
  note_origin(a[0], 0, (long)(length / PAGE));
}
static void op_unmap(void) {
  tell(munmap(page_at(a[0], a[1]), (size_t)a[2] * PAGE));
  forget_origin(a[0], a[1], a[2]);
}
static void op_protect(void) { tell(mprotect(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE, (int)a[3] & 7)); }
static void op_msync(void) { tell(msync(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE, PICK(kSync, a[3]))); }
static void op_advise(void) { tell(madvise(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE, PICK(kAdvice, a[3]))); }
static void op_store(void) { reach(slot(a[0]) + a[1], bounded(a[2]), 1, (int)a[3]); }
// The same where nothing is defined, for tests that know what they want.
static void op_scribble(void) { memset(slot(a[0]) + a[1], (int)a[3], bounded(a[2])); }
static void op_load(void) { reach(slot(a[0]) + a[1], bounded(a[2]), 0, 0); }
static void op_maps(void) {
  size_t count = read_own_runs();
  for (size_t i = 0; i < count; ++i) {
    unsigned long at = runs[i].start - (unsigned long)ISLAND;
    printf(" %lu+%lu-%lu %s %lx", at / SLOT_STRIDE, at % SLOT_STRIDE / PAGE, (runs[i].end - runs[i].start) / PAGE, runs[i].what,
           runs[i].offset);
  }
}
static void op_write_map(void) {
  const char* from = slot(a[1]) + a[2];
  if (meets_itself(read_own_runs(), kFromMemory, from, bounded(a[3]), fd_of(a[0]), a[4], 0)) return;
  tell(pwrite(fd_of(a[0]), from, bounded(a[3]), a[4]));
}
// Into a pipe: the kernel itself touches the pages.
static void op_pipe_map(void) {
  int ends[2];
  MUST(pipe(ends));
  tell(write(ends[1], slot(a[0]) + a[1], bounded(a[2]) % (16 * PAGE)));
  close(ends[0]), close(ends[1]);
}
// Moves a range, as it is or with another length.
static void op_remap(void) {
  if (a[2] != a[3] && !has_one_origin(a[0], a[1], a[2])) return;
  void* moved = mremap(page_at(a[0], a[1]), (size_t)a[2] * PAGE, (size_t)a[3] * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page_at(a[4], a[5]));
  tell(moved == MAP_FAILED ? -1 : 0);
  was_locked[a[4] & (kIslands - 1)] |= was_locked[a[0] & (kIslands - 1)];
  if (moved != MAP_FAILED) move_origin(a[0], a[1], a[2], 0, a[4], a[5], a[3]);
}
// In place: grows where there is room, shrinks.
static void op_resize(void) {
  if (!has_one_origin(a[0], a[1], a[2])) return;
  void* there = mremap(page_at(a[0], a[1]), (size_t)a[2] * PAGE, (size_t)a[3] * PAGE, 0);
  tell(there == MAP_FAILED ? -1 : 0);
  if (there == MAP_FAILED) return;
  if (a[3] < a[2]) forget_origin(a[0], a[1] + a[3], a[2] - a[3]);
  for (long i = a[2]; i < a[3]; ++i) *origin_of(a[0], a[1] + i) = *origin_of(a[0], a[1]);
}
// A second mapping of the same pages (old size 0: shared ones only), or one that leaves the old range mapped and empty.
static void op_twin(void) {
  char *from = page_at(a[0], a[1]), *to = page_at(a[4], a[5]);
  const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  void* made = a[3] & 1 ? mremap(from, 0, (size_t)a[2] * PAGE, flags, to)
                        : mremap(from, (size_t)a[2] * PAGE, (size_t)a[2] * PAGE, flags | 4 /* MREMAP_DONTUNMAP */, to);
  tell(made == MAP_FAILED ? -1 : 0);
  if (made == MAP_FAILED) return;
  was_locked[a[4] & (kIslands - 1)] |= was_locked[a[0] & (kIslands - 1)];
  if (a[3] & 1) return note_origin(a[4], a[5], a[2]);
  move_origin(a[0], a[1], a[2], 1, a[4], a[5], a[2]);
  scatter_origins(a[0]);
}
static void op_lock(void) {
  was_locked[a[0] & (kIslands - 1)] = 1;
  char* from = slot(a[0]) + a[1] * (long)PAGE;
  tell(a[3] & 1 ? mlock(from, (size_t)a[2] * PAGE) : munlock(from, (size_t)a[2] * PAGE));
}
static void op_preadv_map(void) {
  char* to = slot(a[1]) + a[2];
  const size_t count = read_own_runs(), length = bounded(a[3]);
  if (fills_behind_the_end(count, to, length) || meets_itself(count, kToMemory, to, length, fd_of(a[0]), a[4], 0)) return;
  struct iovec v[2] = {{to, length}, {buffer, length}};
  tell(preadv(fd_of(a[0]), v, 2, a[4]));
}
static void op_pwritev_map(void) {
  struct iovec v[3] = {{slot(a[1]) + a[2], bounded(a[3])}, {buffer, 100}, {slot(a[1]) + a[2] + PAGE, 10}};
  // The second part lies behind the first's and 100 bytes.
  const char* from = slot(a[1]) + a[2];
  const size_t count = read_own_runs();
  if (meets_itself(count, kFromMemory, from, bounded(a[3]), fd_of(a[0]), a[4], 0)) return;
  if (meets_itself(count, kFromMemory, from + PAGE, 10, fd_of(a[0]), a[4], (long)bounded(a[3]) + 100)) return;
  fill('v', 100);
  tell(pwritev(fd_of(a[0]), v, 3, a[4]));
}

// Memory without a file, private or shared.
static void op_anon(void) {
  const int flags = (a[3] & 1 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED | (a[3] & 2 ? MAP_POPULATE : 0);
  const long pages = a[1] % kSlotPages;
  void* made = mmap(page_at(a[0], a[4]), (size_t)pages * PAGE, (int)a[2] & 7, flags, -1, 0);
  tell(made == MAP_FAILED ? -1 : 0);
  if (made != MAP_FAILED) note_origin(a[0], a[4], pages);
}
static void op_lock_on_fault(void) {
  was_locked[a[0] & (kIslands - 1)] = 1;
  tell(mlock2(page_at(a[0], a[1]), (size_t)a[2] * PAGE, MLOCK_ONFAULT));
}
// Which of the pages are mapped at all; what is resident is the host's affair.
static void op_resident(void) {
  unsigned char there[kSlotPages];
  tell(mincore(page_at(a[0], a[1]), (size_t)(a[2] % kSlotPages) * PAGE, there));
}
// Asks for so many MiB of memory, touches all, gives it back: under a memory limit other pages have to go.
static void op_press(void) {
  const size_t length = (size_t)a[0] * MIB;
  char* memory = MUST(mmap(NULL, length, RW, ANON, -1, 0));
  for (int round = 0; round < 2; ++round)
    for (size_t at = 0; at < length; at += PAGE) memory[at] = (char)(at / PAGE + (size_t)round);
  MUST(munmap(memory, length));
}
