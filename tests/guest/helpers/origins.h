// Which call made a mapping, page by page. Whether Linux joins what two calls have mapped side by side is its own affair (the
// same open file, the same advice, private pages that were touched in the same order), but a call that changes the length of a
// mapping is refused where two meet. So runs_file_operations.c asks for that only within what one call has made.
#pragma once

#include "guest.h"

enum { kIslands = 8, kOriginPages = 256 };
static int origins[kIslands][kOriginPages];  // 0: nothing is mapped
static int last_origin;

static int* origin_of(long island, long page) {
  static int beyond;
  beyond = 0;
  return page < kOriginPages ? &origins[island & (kIslands - 1)][page] : &beyond;
}

static void note_origin(long island, long page, long pages) {
  ++last_origin;
  for (long i = 0; i < pages; ++i) *origin_of(island, page + i) = last_origin;
}
static void forget_origin(long island, long page, long pages) {
  for (long i = 0; i < pages; ++i) *origin_of(island, page + i) = 0;
}
static int has_one_origin(long island, long page, long pages) {
  int only = 0;
  for (long i = 0; i < pages; ++i) {
    const int here = *origin_of(island, page + i);
    if (here == 0) continue;
    if (only != 0 && here != only) return 0;
    only = here;
  }
  return 1;
}

// MREMAP_DONTUNMAP unlocks what it leaves behind without joining it with what it equals thereby: nothing is known there any more.
static void scatter_origins(long island) {
  for (long i = 0; i < kOriginPages; ++i)
    if (*origin_of(island, i) != 0) *origin_of(island, i) = ++last_origin;
}

// Neither does fork, in the child.
static int was_locked[kIslands];
static void scatter_locked_origins(void) {
  for (long island = 0; island < kIslands; ++island)
    if (was_locked[island]) scatter_origins(island);
}

// `pages` from there have been moved (keep: or mapped once more) and are `new_pages` here.
static void move_origin(long island, long page, long pages, int keep, long to_island, long to_page, long new_pages) {
  int before = 0;
  for (long i = 0; i < new_pages; ++i) {
    const int from = i < pages ? *origin_of(island, page + i) : before;
    if (from == 0 && i < pages) continue;  // a hole: what is here stays
    if (from != before) ++last_origin;
    before = from;
    *origin_of(to_island, to_page + i) = last_origin;
  }
  if (!keep) forget_origin(island, page, pages);
}
