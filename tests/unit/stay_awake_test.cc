// How long a pager looks for the next fault: it follows what the program does, and lets others have the processor.
#include "kernel/fault/stay_awake.h"

#include <gtest/gtest.h>

namespace pagefold::kernel {
namespace {

using namespace std::chrono_literals;

const auto kNow = StayAwake::Clock::now();

TEST(StayAwake, SleepsAtOnceUntilAFaultFollowsSoon) {
  StayAwake pager;
  EXPECT_EQ(pager.window(kNow), 0us);
  pager.came(1s);
  EXPECT_EQ(pager.window(kNow), 0us);
  pager.came(60us);
  EXPECT_EQ(pager.window(kNow), StayAwake::kLeast);
}

TEST(StayAwake, ABurstKeepsItAwakeAtMostFiftyMicroseconds) {
  StayAwake pager;
  for (int fault = 0; fault < 20; ++fault) pager.came(5us);
  EXPECT_EQ(pager.window(kNow), StayAwake::kMost);
}

TEST(StayAwake, RareFaultsLetItSleepAgain) {
  StayAwake pager;
  for (int fault = 0; fault < 20; ++fault) pager.came(5us);
  for (int fault = 0; fault < 4; ++fault) pager.came(1ms);
  EXPECT_EQ(pager.window(kNow), 0us);
}

TEST(StayAwake, WhoWasPreemptedLeavesTheProcessorToOthers) {
  StayAwake pager;
  for (int fault = 0; fault < 20; ++fault) pager.came(5us);
  const auto later = kNow + 1h;
  pager.preempted(later);
  EXPECT_EQ(pager.window(later), 0us);
  EXPECT_FALSE(pager.look([]() -> bool { throw "it must not look"; }));
  EXPECT_EQ(pager.window(later + StayAwake::kBackOff), StayAwake::kMost);
}

TEST(StayAwake, LooksUntilThereIsSomethingOrTheWhileIsOver) {
  if (cpu_set_t allowed; ::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2)
    GTEST_SKIP() << "a single processor is never kept awake";
  StayAwake pager;
  pager.came(5us);
  EXPECT_TRUE(pager.look([] { return true; }));
  StayAwake another;
  another.came(5us);
  EXPECT_FALSE(another.look([] { return false; }));
}

}  // namespace
}  // namespace pagefold::kernel
