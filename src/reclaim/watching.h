// When frames are watched: taken out of all page tables, so that their next touch is seen. A frame is watched when so many are to go
// before it: time enough for a program that still needs it to touch it again, and few enough faults for that.
#pragma once

#include <algorithm>

#include "base/page.h"

namespace pagefold::reclaim {

inline constexpr PageIndex kWatchedShare = 8, kLeastWatched = 16;
// In a memory of so many frames. Looked after when a quarter of as many have been evicted since.
constexpr PageIndex watch_distance(PageIndex frames) { return std::max(kLeastWatched, frames / kWatchedShare); }
inline constexpr PageIndex kLooksPerDistance = 4;

}  // namespace pagefold::reclaim
