// Misses that come close together, in space and time. A program that begins to use a part of its memory again touches the part's
// pages in any order: no walk, but whoever brings a few neighbours along with each page is soon ahead of it. So a page whose
// neighbourhood was missed several times lately brings more and more of those behind it; one that is missed out of the blue
// comes alone. Touches all over a large memory hit the same neighbourhood too rarely to count.
//
// 4 KiB; not synchronised.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/page.h"

namespace pagefold::reclaim {

class Neighbourhood {
 public:
  static constexpr PageIndex kPages = 64;    // of a neighbourhood
  static constexpr PageIndex kMost = 16;     // that one miss brings
  static constexpr std::uint32_t kLately = 256;  // misses

  // How many pages a miss of this one deserves, itself among them.
  PageIndex missed(PageIndex page) {
    const PageIndex here = page / kPages;
    Known& known = known_[here % known_.size()];
    ++now_;
    const bool lately = known.misses > 0 && known.neighbourhood == here && now_ - known.last <= kLately;
    known = {here, now_, lately ? known.misses + 1 : 1};
    return known.misses <= kFew ? 1 : std::min(kMost, PageIndex{1} << std::min(known.misses - kFew, 6U));
  }

 private:
  static constexpr std::uint32_t kFew = 2;
  struct Known {
    PageIndex neighbourhood = 0;
    std::uint32_t last = 0, misses = 0;
  };
  std::array<Known, 256> known_{};
  std::uint32_t now_ = 0;
};

}  // namespace pagefold::reclaim
