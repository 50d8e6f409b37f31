// Memories in miniature: what is brought in again, by size.
#include "reclaim/miniature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pagefold::reclaim {
namespace {

constexpr PageIndex kLeast = 256;

// All pages are in the sample.
class Program {
 public:
  explicit Program(const char* policy) : miniatures_(policy, kLeast) {}
  void touch(FrameKey page) {
    if (known_.contains(page)) return miniatures_.touched(page, 1);
    known_.push_back(page, {});
    miniatures_.make_sizes_below(known_.size(), 1);
    miniatures_.came(page, 1);
  }
  void free(FrameKey page) {
    known_.erase(page);
    miniatures_.removed(page);
  }
  [[nodiscard]] const std::vector<Miniatures::Size>& sizes() const { return miniatures_.sizes(); }

 private:
  struct Nothing {};
  FrameList<Nothing> known_;
  Miniatures miniatures_;
};

TEST(Miniatures, ALoopMissesInEachSizeThatIsTooSmall) {
  constexpr PageIndex kPages = 1000, kRounds = 5;
  Program program("lru");
  for (PageIndex round = 0; round < kRounds; ++round)
    for (PageIndex page = 0; page < kPages; ++page) program.touch(page);
  ASSERT_EQ(program.sizes().size(), 32U);  // 256 to 1000 frames, 16 to a doubling
  for (const auto& size : program.sizes()) {
    EXPECT_LT(size.frames, kPages);
    EXPECT_EQ(size.again, kPages * (kRounds - 1)) << size.frames;
  }
}

// A page is kept by touches only when they are seen: when the page is watched because few are to go before it.
TEST(Miniatures, ATouchCountsWhereItWouldBeSeen) {
  Program program("lru");
  for (FrameKey page = 0; page < 512; ++page) program.touch(page);
  const auto again = [&] { return program.sizes().front().again; };  // of 256 frames: 256..511 are there
  program.touch(400);                                                // in the middle: nobody sees it
  EXPECT_EQ(again(), 0);
  for (FrameKey page = 1000; page < 1130; ++page) program.touch(page);
  program.touch(390);  // next to go
  for (FrameKey page = 2000; page < 2030; ++page) program.touch(page);
  EXPECT_EQ(again(), 0);
  program.touch(390);
  EXPECT_EQ(again(), 0) << "it was watched, and touched";
  program.touch(400);
  EXPECT_EQ(again(), 1) << "it was touched once, before it was watched";
}

TEST(Miniatures, WhatIsFreedLeavesRoom) {
  Program program("clock");
  for (FrameKey page = 0; page < 512; ++page) program.touch(page);
  for (FrameKey page = 256; page < 512; ++page) program.free(page);
  for (FrameKey page = 0; page < 256; ++page) program.touch(page);
  EXPECT_EQ(program.sizes().front().again, 256);
  for (FrameKey page = 0; page < 256; ++page) program.touch(page);
  EXPECT_EQ(program.sizes().front().again, 256) << "all fit now";
}

}  // namespace
}  // namespace pagefold::reclaim
