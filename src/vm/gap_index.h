// The free ranges of an address space, by place and by length, so that a place for a new mapping is found without
// walking the mappings: a process may have tens of thousands of them.
//
// Lengths fall into classes: one for each up to 63 pages, then one for each power of two. Every gap of a higher class
// is long enough; within the class of the wanted length, gaps that are too short are passed over.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <map>
#include <optional>
#include <set>

#include "base/page.h"

namespace pagefold::vm {

class GapIndex {
 public:
  GapIndex() { add(kEverything); }

  // r is used from now on; it must be free.
  void take(VirtRange r) {
    const auto it = std::prev(gaps_.upper_bound(r.start));
    const VirtRange gap{it->first, it->second};
    assert(gap.start <= r.start && gap.end >= r.end);
    drop(it);
    if (gap.start < r.start) add({gap.start, r.start});
    if (r.end < gap.end) add({r.end, gap.end});
  }

  // r is free from now on; it must be used.
  void give(VirtRange r) {
    auto next = gaps_.upper_bound(r.start);
    assert(next == gaps_.end() || next->first >= r.end);
    if (next != gaps_.end() && next->first == r.end) {
      r.end = next->second;
      next = drop(next);
    }
    if (next != gaps_.begin() && std::prev(next)->second == r.start) {
      r.start = std::prev(next)->first;
      drop(std::prev(next));
    }
    add(r);
  }

  // Where the highest room for `size` bytes within `area` ends. usable_end(end) says how much of a gap that ends at
  // `end` may be used: up to there or less.
  template <class UsableEnd>
  [[nodiscard]] std::optional<VirtAddr> highest(Bytes size, VirtRange area, UsableEnd&& usable_end) const {
    std::optional<VirtAddr> best;
    if (size == 0 || size > area.size()) return best;
    for (unsigned c = next_class(class_of(size)); c < kClasses; c = next_class(c + 1)) {
      for (auto it = starts_[c].upper_bound(area.end - size); it != starts_[c].begin();) {
        const VirtAddr start = *--it, end = gaps_.find(start)->second;
        if (end <= area.start || (best && end <= *best)) break;
        const VirtAddr top = std::min(area.end, usable_end(end)), bottom = std::max(area.start, start);
        if (top < bottom || top - bottom < size) continue;
        if (!best || top > *best) best = top;
        break;
      }
    }
    return best;
  }

  [[nodiscard]] const std::map<VirtAddr, VirtAddr>& all() const { return gaps_; }
  static constexpr VirtRange kEverything{0, ~VirtAddr{0} - kPageSize + 1};

 private:
  static constexpr unsigned kExact = 64, kClasses = 128;
  using Gaps = std::map<VirtAddr, VirtAddr>;

  static unsigned class_of(Bytes length) {
    const PageIndex pages = page_of(length);
    return pages < kExact ? static_cast<unsigned>(pages) : kExact + static_cast<unsigned>(std::bit_width(pages)) - 7;
  }
  // The first class from c on that has a gap; kClasses when there is none.
  [[nodiscard]] unsigned next_class(unsigned c) const {
    for (; c < kClasses; c = (c / 64 + 1) * 64)
      if (const std::uint64_t rest = filled_[c / 64] >> (c % 64); rest != 0)
        return c + static_cast<unsigned>(std::countr_zero(rest));
    return kClasses;
  }
  void add(VirtRange r) {
    const unsigned c = class_of(r.size());
    gaps_.emplace(r.start, r.end);
    starts_[c].insert(r.start);
    filled_[c / 64] |= std::uint64_t{1} << (c % 64);
  }
  Gaps::iterator drop(Gaps::iterator it) {
    const unsigned c = class_of(it->second - it->first);
    starts_[c].erase(it->first);
    if (starts_[c].empty()) filled_[c / 64] &= ~(std::uint64_t{1} << (c % 64));
    return gaps_.erase(it);
  }

  Gaps gaps_;  // start, end
  std::array<std::set<VirtAddr>, kClasses> starts_;
  std::array<std::uint64_t, kClasses / 64> filled_{};
};

}  // namespace pagefold::vm
