// Compact relative relocations (DT_RELR): an even word is an address to relocate, an odd one a bitmap of which of the
// next 63 words to relocate too. `for_each_relr` calls visit(address) for each, in order; what lies outside is the
// visitor's to refuse (by returning false, which ends the walk). Source: gABI, "Relative Relocation Table".
#pragma once

#include "elf/bytes.h"

namespace pagefold::elf {

template <class Visit>
bool for_each_relr(Table<uint64_t> table, Visit&& visit) {
  uint64_t next = 0;
  for (uint64_t word : table) {
    if ((word & 1) == 0) {
      if (!visit(word)) return false;
      next = word + 8;
      continue;
    }
    uint64_t at = next;
    for (word >>= 1; word != 0; word >>= 1, at += 8)
      if ((word & 1) != 0 && !visit(at)) return false;
    next += 63 * 8;
  }
  return true;
}

}  // namespace pagefold::elf
