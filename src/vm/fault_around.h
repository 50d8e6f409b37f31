// Fault-around: how many pages a touch of one page deserves. Walks through a mapping get more and more, as long as they
// go on; a touch out of the blue gets its page and nothing else.
//
// Two kinds of evidence make a walk: it arrives where an earlier one is expected next, or skips a few pages (allocators
// hand out blocks whose first page is touched first; then what was skipped comes along); up to four walks are
// remembered, for threads and merge passes. Or the pages right before it are there already, as many as it then
// deserves. Touches out of the blue take each other's place among the four; a walk that goes on now and then, as a scan beside
// random touches does, keeps its own.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/page.h"

namespace pagefold::vm {

class FaultAround {
 public:
  // The most that pages found before a touch can say.
  static constexpr PageIndex kMostRemembered = 16;
  // A walk may skip fewer pages than this.
  static constexpr PageIndex kStride = 8;

  struct Walk {
    PageIndex expected = 0;     // where its next touch would be
    std::uint32_t window = 0;   // pages to install from this touch on; 0: no walk
    std::uint32_t skipped = 0;  // and this many before it
    std::uint32_t patience = 0;  // turns on which its place could be taken, and is not
  };

  // The walk that a touch of `page` belongs to. before: how many pages right before it are present. most: the largest
  // window, at least 1. The caller sets `expected` when it knows how far it came.
  Walk& touch(PageIndex page, PageIndex before, PageIndex most) {
    for (Walk& walk : walks_) {
      const PageIndex reach = walk.window < 2 ? 1 : std::min(kStride, most);  // one touch is no walk yet
      if (walk.window == 0 || page < walk.expected || page - walk.expected >= reach) continue;
      walk.window = static_cast<std::uint32_t>(std::min(most, PageIndex{walk.window} * 2));
      walk.skipped = static_cast<std::uint32_t>(page - walk.expected);
      walk.patience = kPatience;
      return walk;
    }
    Walk& fresh = take_place();
    fresh = {page, static_cast<std::uint32_t>(std::clamp<PageIndex>(std::min(before, kMostRemembered), 1, most)), 0, 0};
    return fresh;
  }
  // A first touch of `page` continues a walk that starts there.
  void expect(PageIndex page) { walks_[0] = {page, 1, 0, 0}; }

 private:
  static constexpr unsigned kWalks = 4;
  static constexpr std::uint32_t kPatience = 64;

  Walk& take_place() {
    for (;;) {
      Walk& walk = walks_[next_];
      next_ = (next_ + 1) % kWalks;
      if (walk.patience == 0) return walk;
      --walk.patience;
    }
  }

  std::array<Walk, kWalks> walks_;
  unsigned next_ = 0;
};

}  // namespace pagefold::vm
