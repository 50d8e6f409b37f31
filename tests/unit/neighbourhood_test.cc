// Which misses bring neighbours along.
#include "reclaim/neighbourhood.h"

#include <gtest/gtest.h>

namespace pagefold::reclaim {
namespace {

// Any order, each once (Knuth's multiplicative hash of a power of two of pages).
PageIndex shuffled(PageIndex i, PageIndex pages) { return i * 2654435761u % pages; }

TEST(Neighbourhood, AMissOutOfTheBlueBringsItsPageAlone) {
  Neighbourhood misses;
  EXPECT_EQ(misses.missed(0), 1U);
  EXPECT_EQ(misses.missed(1'000'000), 1U);
  EXPECT_EQ(misses.missed(Neighbourhood::kPages), 1U);
}

TEST(Neighbourhood, MissesCloseTogetherBringMoreAndMore) {
  Neighbourhood misses;
  PageIndex last = 0;
  for (PageIndex page = 0; page < 10; ++page) {
    const PageIndex now = misses.missed(page * 5);
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_EQ(last, Neighbourhood::kMost);
}

TEST(Neighbourhood, WhatWasMissedLongAgoDoesNotCount) {
  Neighbourhood misses;
  for (PageIndex page = 0; page < 10; ++page) misses.missed(page);
  for (PageIndex i = 1; i <= Neighbourhood::kLately; ++i) misses.missed(i * Neighbourhood::kPages);
  EXPECT_EQ(misses.missed(11), 1U);
}

TEST(Neighbourhood, ASmallPartOfMemoryUsedAgainComesInFewMisses) {
  constexpr PageIndex kHot = 4096;
  Neighbourhood misses;
  PageIndex brought = 0;
  for (PageIndex i = 0; i < kHot / 4; ++i) brought += misses.missed(shuffled(i, kHot));
  EXPECT_GT(brought, kHot);
}

TEST(Neighbourhood, MissesAllOverALargeMemoryComeAlone) {
  constexpr PageIndex kAll = 1 << 17, kTouches = 50'000;
  Neighbourhood misses;
  std::uint64_t state = 88172645463325252ULL;
  PageIndex brought = 0;
  for (PageIndex i = 0; i < kTouches; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    brought += misses.missed(state % kAll);
  }
  EXPECT_LT(brought, kTouches + kTouches / 20);
}

}  // namespace
}  // namespace pagefold::reclaim
