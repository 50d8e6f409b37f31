#include "vm/fault_around.h"

#include <gtest/gtest.h>

namespace pagefold::vm {
namespace {

constexpr PageIndex kMost = 64;

// One touch; the walk goes on behind what it got. Returns the window.
PageIndex touch(FaultAround& around, PageIndex page, PageIndex before = 0) {
  FaultAround::Walk& walk = around.touch(page, before, kMost);
  walk.expected = page + walk.window;
  return walk.window;
}

TEST(FaultAround, DoublesWhileAWalkGoesOnUpToTheMost) {
  FaultAround around;
  around.expect(100);
  PageIndex page = 100;
  for (const PageIndex window : {2u, 4u, 8u, 16u, 32u, 64u, 64u}) {
    EXPECT_EQ(touch(around, page), window);
    page += window;
  }
}

TEST(FaultAround, GivesATouchOutOfTheBlueItsPageAlone) {
  FaultAround around;
  for (const PageIndex page : {7u, 900u, 3u, 500u, 42u}) EXPECT_EQ(touch(around, page), 1u);
}

TEST(FaultAround, RemembersFourWalks) {
  FaultAround around;
  for (const PageIndex start : {0u, 1000u, 2000u, 3000u}) touch(around, start);
  for (const PageIndex start : {0u, 1000u, 2000u, 3000u}) EXPECT_EQ(touch(around, start + 1), 2u);
}

// A scan at each step of which some other pages are touched is a walk all the same; but one that has ended is forgotten.
TEST(FaultAround, RemembersAWalkThroughManyTouchesOutOfTheBlue) {
  FaultAround around;
  PageIndex page = 0, stray = 100'000;
  for (const PageIndex window : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 64u}) {
    EXPECT_EQ(touch(around, page), window);
    page += window;
    for (int i = 0; i < (window > 1 ? 40 : 2); ++i) EXPECT_EQ(touch(around, stray += 1000), 1u);
  }
  for (int i = 0; i < 400; ++i) touch(around, stray += 1000);
  EXPECT_EQ(touch(around, page), 1u);
}

TEST(FaultAround, TakesPagesFoundBeforeTheTouchForAWalk) {
  FaultAround around;
  EXPECT_EQ(touch(around, 50, 5), 5u);
  EXPECT_EQ(touch(around, 500, 1000), FaultAround::kMostRemembered);
}

TEST(FaultAround, BringsAlongTheFewPagesThatAWalkSkips) {
  FaultAround around;
  touch(around, 0);
  touch(around, 1);
  const FaultAround::Walk& walk = around.touch(6, 0, kMost);
  EXPECT_EQ(walk.window, 4u);
  EXPECT_EQ(walk.skipped, 3u);
}

TEST(FaultAround, TakesTwoTouchesWithAGapForTwoTouches) {
  FaultAround around;
  around.expect(0);
  EXPECT_EQ(touch(around, 2), 1u);
  EXPECT_EQ(touch(around, 5), 1u);
}

TEST(FaultAround, TakesALongerStepForATouchOutOfTheBlue) {
  FaultAround around;
  touch(around, 0);
  touch(around, 1);
  EXPECT_EQ(touch(around, 3 + FaultAround::kStride), 1u);
}

TEST(FaultAround, NeverExceedsTheMostAllowed) {
  FaultAround around;
  EXPECT_EQ(around.touch(10, 16, 1).window, 1u);
  around.expect(20);
  EXPECT_EQ(around.touch(20, 16, 1).window, 1u);
}

}  // namespace
}  // namespace pagefold::vm
