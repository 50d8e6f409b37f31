// What a start may know that later lookups may not: while a program is bound, no object comes, goes or changes its
// scope. So the filters of all objects of the global list can stand side by side, two words each, and a walk through
// two hundred objects that do not have a name reads little more than that. Programs of few libraries do without: for
// them it is more work to make than it saves.
//
// The memory is given back when the start is over.
#pragma once

#include "ld/module/module.h"

namespace pagefold::ld {

// The part of a GNU hash table that says no to most names. An object without one says maybe to all.
struct Filter {
  const uint64_t* bloom;
  uint32_t mask, shift;

  bool maybe_has(uint32_t hash) const {
    const uint64_t word = bloom[(hash >> 6) & mask];
    return ((word >> (hash & 63)) & (word >> ((hash >> shift) & 63)) & 1) != 0;
  }
};

void open_start_index();
void close_start_index();

// Beside the elements of the main search list, or null: not now, or another list.
const Filter* start_filters(const SearchList& list);

}  // namespace pagefold::ld
