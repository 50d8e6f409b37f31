// A sparse set of page indices: which pages of an object are resident, inherited, speculative ...
// Memory follows what is in the set, not the span it covers: a terabyte reservation with ten pages costs ten nodes at most.
// Not synchronised; the owner's lock protects it.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <map>

#include "base/page.h"

namespace pagefold::vm {

class PageSet {
 public:
  [[nodiscard]] bool test(PageIndex page) const;
  // True when the page was not in the set before.
  bool set(PageIndex page);
  // True when the page was in the set.
  bool clear(PageIndex page);
  void set_range(PageIndex first, PageIndex last);
  // Removes [first, last); returns how many were in the set.
  PageIndex clear_range(PageIndex first, PageIndex last);
  [[nodiscard]] PageIndex count() const { return count_; }
  [[nodiscard]] PageIndex count_range(PageIndex first, PageIndex last) const;
  [[nodiscard]] bool any(PageIndex first, PageIndex last) const { return next(first, last) < last; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  // The first page of the set in [first, last), or last.
  [[nodiscard]] PageIndex next(PageIndex first, PageIndex last) const;
  // The first page in [first, last) that is not in the set, or last.
  [[nodiscard]] PageIndex next_gap(PageIndex first, PageIndex last) const;
  void clear_all() {
    chunks_.clear();
    count_ = 0;
  }
  // Calls run(first, last) for every maximal run of pages of the set within [first, last).
  template <class Run>
  void for_each_run(PageIndex first, PageIndex last, Run&& run) const {
    for (PageIndex page = next(first, last); page < last;) {
      const PageIndex end = next_gap(page, last);
      run(page, end);
      page = next(end, last);
    }
  }
  void check_invariants() const;

 private:
  static constexpr unsigned kWords = 8;
  static constexpr PageIndex kChunkPages = kWords * 64;
  using Chunk = std::array<std::uint64_t, kWords>;

  std::map<std::uint64_t, Chunk> chunks_;  // no empty chunk is kept
  PageIndex count_ = 0;
};

}  // namespace pagefold::vm
