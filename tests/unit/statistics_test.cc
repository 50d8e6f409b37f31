// The statistics behind `make bench`.
#include "bench/statistics.h"

#include <gtest/gtest.h>

namespace pagefold::bench {
namespace {

TEST(Statistics, MedianOfOddAndEvenNumbersOfSamples) {
  EXPECT_DOUBLE_EQ(median({3}), 3);
  EXPECT_DOUBLE_EQ(median({9, 1, 5}), 5);
  EXPECT_DOUBLE_EQ(median({9, 1, 5, 7}), 6);
}

TEST(Statistics, IntervalOfIdenticalSamplesIsAPoint) {
  const Interval ratio = ratio_interval({2, 2, 2}, {3, 3, 3});
  EXPECT_DOUBLE_EQ(ratio.low, 1.5);
  EXPECT_DOUBLE_EQ(ratio.high, 1.5);
  const Interval difference = difference_interval({2, 2, 2}, {3, 3, 3});
  EXPECT_DOUBLE_EQ(difference.low, 1);
  EXPECT_DOUBLE_EQ(difference.high, 1);
}

TEST(Statistics, IntervalCoversTheRatioAndWidensWithTheSpread) {
  const std::vector<double> base = {100, 101, 99, 100, 102, 98, 100};
  const std::vector<double> steady = {150, 151, 149, 150, 152, 148, 150};
  const std::vector<double> wild = {120, 180, 100, 150, 200, 110, 150};
  const Interval narrow = ratio_interval(base, steady);
  const Interval wide = ratio_interval(base, wild);
  EXPECT_LE(narrow.low, 1.5);
  EXPECT_GE(narrow.high, 1.5);
  EXPECT_GT(wide.high - wide.low, narrow.high - narrow.low);
}

TEST(Statistics, OneOutlierDoesNotMoveTheMedian) {
  const Interval ratio = ratio_interval({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1000, 1, 1, 1, 1});
  EXPECT_DOUBLE_EQ(ratio.low, 1);
  EXPECT_DOUBLE_EQ(ratio.high, 1);
}

}  // namespace
}  // namespace pagefold::bench
