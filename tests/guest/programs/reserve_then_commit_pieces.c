// How allocators and garbage collectors use memory: reserve without access, open pieces, close and drop them again.
// Source: mmap(2), mprotect(2), madvise(2).
#include "guest.h"

enum { kPieces = 64, kPiecePages = 16 };

int main(void) {
  const size_t piece = kPiecePages * PAGE;
  char* area = MUST((char*)mmap(0, kPieces * piece, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
  for (int i = 0; i < kPieces; i += 2) {
    MUST(mprotect(area + i * piece, piece, RW));
    memset(area + i * piece, 'a' + i % 26, piece);
  }
  show_maps("every other piece", area, kPieces * piece);
  TOUCH(Read, area + piece);
  TOUCH(Write, area + 2 * piece);

  // An aligned part of a larger reservation, as malloc arenas and JavaScript engines cut it: both ends are given back.
  char* wide = map_anon(16 * piece);
  char* aligned = (char*)(((uintptr_t)wide + 8 * piece - 1) & ~(8 * piece - 1));
  if (aligned > wide) MUST(munmap(wide, (size_t)(aligned - wide)));
  MUST(munmap(aligned + 8 * piece, (size_t)(wide + 8 * piece - aligned)));
  memset(aligned, 'l', 8 * piece);
  show_maps("the aligned part", aligned, 8 * piece);

  for (int i = 0; i < kPieces; i += 4) {
    MUST(madvise(area + i * piece, piece, MADV_DONTNEED));
    MUST(mprotect(area + i * piece, piece, PROT_NONE));
  }
  TOUCH(Read, area);
  for (int i = 0; i < kPieces; i += 4) MUST(mprotect(area + i * piece, piece, RW));
  long zeros = 0, kept = 0;
  for (int i = 0; i < kPieces; i += 2) {
    zeros += all_are(area + i * piece, piece, 0);
    kept += all_are(area + i * piece + PAGE, piece - PAGE, (char)('a' + i % 26));
  }
  printf("%ld pieces are zero again, %ld kept\n", zeros, kept);

  // Replacing by a fresh reservation is the other way to drop.
  CHECK(mmap(area, kPieces * piece, PROT_NONE, ANON | MAP_NORESERVE | MAP_FIXED, -1, 0) == area);
  show_maps("all at once", area, kPieces * piece);
  TOUCH(Read, area + 2 * piece);
  SHOW(mprotect(area, kPieces * piece, RW));
  CHECK(all_are(area, kPieces * piece, 0));
  return 0;
}
