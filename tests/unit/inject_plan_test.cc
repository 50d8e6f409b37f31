// What a plan decides: which match is hit, whose outcome counts, where a transfer stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "inject/parse.h"
#include "inject/plan.h"

namespace pagefold::inject {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

Plan plan_of(const std::vector<std::string>& texts, std::uint64_t seed = 0) {
  std::vector<Spec> specs;
  for (const std::string& text : texts) specs.push_back(parse(text).value());
  return Plan(std::move(specs), seed);
}

Event read_of(std::string_view path, PageIndex first, PageIndex last) { return {Place::Read, Via::Call, "read", path, "/bin/p", first, last}; }
Event touch_of(std::string_view path, PageIndex page) { return {Place::Read, Via::Map, "", path, "/bin/p", page, page + 1}; }

std::vector<int> hits(Plan& plan, const Event& event, int times) {
  std::vector<int> hit;
  for (int n = 1; n <= times; ++n)
    if (plan.decide(event).outcome != Outcome::Proceed) hit.push_back(n);
  return hit;
}

TEST(FailPlan, CountsOnlyWhatMatches) {
  Plan plan = plan_of({"read:path=*.db:when=2:eio"});
  EXPECT_THAT(hits(plan, read_of("/x/other", 0, 1), 5), ElementsAre());
  EXPECT_THAT(hits(plan, read_of("/x/my.db", 0, 1), 5), ElementsAre(2));
  EXPECT_EQ(plan.tallies()[0].matches, 5U);
  EXPECT_EQ(plan.tallies()[0].hits, 1U);
}

TEST(FailPlan, AStarCrossesSlashes) {
  Plan plan = plan_of({"read:path=/data/*.db:eio"});
  EXPECT_EQ(plan.decide(read_of("/data/a/b.db", 0, 1)).outcome, Outcome::Error);
  EXPECT_EQ(plan.decide(read_of("/data/a/b.dbx", 0, 1)).outcome, Outcome::Proceed);
}

TEST(FailPlan, NarrowsByProgramCallAndWay) {
  Plan plan = plan_of({"read:program=*/q:eio", "read:call=pread64:eio", "read:via=map:eio"});
  EXPECT_EQ(plan.decide(read_of("/f", 0, 1)).outcome, Outcome::Proceed);
  Event pread = read_of("/f", 0, 1);
  pread.call = "pread64";
  EXPECT_EQ(plan.decide(pread).outcome, Outcome::Error);
  EXPECT_EQ(plan.decide(touch_of("/f", 0)).outcome, Outcome::Error);
  Event other = read_of("/f", 0, 1);
  other.program = "/bin/q";
  EXPECT_EQ(plan.decide(other).outcome, Outcome::Error);
}

// What time or an eviction writes back was asked for by no process.
TEST(FailPlan, KillsOnlyWhereThereIsSomebodyToKill) {
  Plan plan = plan_of({"kill:when=write:1"});
  Event write_back{Place::Write, Via::Map, "", "/f", "", 0, 1};
  write_back.somebody = false;
  EXPECT_EQ(plan.decide(write_back).outcome, Outcome::Proceed);
  EXPECT_EQ(plan.tallies()[0].matches, 0U);
  write_back.somebody = true;
  EXPECT_EQ(plan.decide(write_back).outcome, Outcome::Kill);
}

// What cannot be shorter is not meant.
TEST(FailPlan, OnlyWhatCanBeShorterIsCut) {
  Plan plan = plan_of({"write:short", "read:short=300"});
  Event write{Place::Write, Via::Call, "write", "/f", "/bin/p"}, read = read_of("/f", 0, 1);
  write.length = 1;
  read.length = 300;
  EXPECT_EQ(plan.decide(write).outcome, Outcome::Proceed);
  EXPECT_EQ(plan.decide(read).outcome, Outcome::Proceed);
  write.length = 2;
  read.length = 301;
  EXPECT_EQ(plan.decide(write).outcome, Outcome::Short);
  EXPECT_EQ(plan.decide(read).most, 300U);
}

// A transfer that would come to a failing page ends before it, uncounted; the next one begins there and is hit.
TEST(FailPlan, ATransferStopsBeforeThePageThatFails) {
  Plan plan = plan_of({"read:page=7:when=1:eio"});
  const Decision whole = plan.decide(read_of("/f", 0, 10));
  EXPECT_EQ(whole.outcome, Outcome::Proceed);
  EXPECT_EQ(whole.stop_before, 7U);
  EXPECT_EQ(plan.decide(read_of("/f", 7, 10)).error, EIO);
  const Decision again = plan.decide(read_of("/f", 0, 10));
  EXPECT_EQ(again.outcome, Outcome::Proceed);
  EXPECT_EQ(again.stop_before, Pages::kEnd);
}

TEST(FailPlan, APageBeyondTheTransferIsNotMet) {
  Plan plan = plan_of({"read:page=7:eio"});
  EXPECT_EQ(plan.decide(read_of("/f", 0, 7)).stop_before, Pages::kEnd);
  EXPECT_EQ(plan.decide(read_of("/f", 8, 9)).outcome, Outcome::Proceed);
  EXPECT_EQ(plan.tallies()[0].matches, 0U);
}

TEST(FailPlan, DelaysAddUpAndTheFirstOutcomeCounts) {
  Plan plan = plan_of({"read:delay=1ms", "read:delay=2ms:eio", "read:enomem", "read:delay=4ms"});
  const Decision decision = plan.decide(read_of("/f", 0, 1));
  EXPECT_EQ(decision.delay, 7ms);
  EXPECT_EQ(decision.error, EIO);
  EXPECT_THAT(decision.hits, testing::SizeIs(3));
  EXPECT_EQ(plan.tallies()[2].matches, 1U);
  EXPECT_EQ(plan.tallies()[2].hits, 0U);
}

TEST(FailPlan, AllocCountsWhatWouldExceed) {
  Plan plan = plan_of({"alloc:after=40M:enomem"});
  Event alloc{Place::Alloc, Via::Call, "mmap", "", "/bin/p"};
  alloc.held = Bytes{40} << 20;
  EXPECT_EQ(plan.decide(alloc).outcome, Outcome::Proceed);
  ++alloc.held;
  EXPECT_EQ(plan.decide(alloc).error, ENOMEM);
}

TEST(FailPlan, ChanceIsTheSeedsAlone) {
  Plan one = plan_of({"read:chance=10%:eio"}, 7), two = plan_of({"read:chance=10%:eio"}, 7), other = plan_of({"read:chance=10%:eio"}, 8);
  constexpr int kTimes = 10'000;
  const auto first = hits(one, read_of("/f", 0, 1), kTimes);
  EXPECT_EQ(first, hits(two, read_of("/f", 0, 1), kTimes));
  EXPECT_NE(first, hits(other, read_of("/f", 0, 1), kTimes));
  EXPECT_NEAR(static_cast<double>(first.size()), kTimes / 10.0, 150);  // five standard deviations
}

TEST(FailPlan, ArmedPagesAreThoseThatMustBeAskedFor) {
  const Plan plan = plan_of({"read:path=*.db:page=3,9..:eio", "read:path=*.db:via=call:eio", "read:path=*.log:delay=1ms"});
  EXPECT_EQ(plan.next_armed(Place::Read, "/a.db", "/p", 0, 100), 3U);
  EXPECT_EQ(plan.next_armed(Place::Read, "/a.db", "/p", 4, 100), 9U);
  EXPECT_EQ(plan.next_armed(Place::Read, "/a.db", "/p", 50, 100), 50U);
  EXPECT_EQ(plan.next_armed(Place::Read, "/a.txt", "/p", 0, 100), 100U);
  EXPECT_EQ(plan.next_armed(Place::Read, "/a.log", "/p", 5, 100), 5U);
  EXPECT_EQ(plan.next_armed(Place::Write, "/a.db", "/p", 0, 100), 100U);
}

TEST(FailPlan, NoMatchIsLostAmongThreads) {
  Plan plan = plan_of({"read:when=1+2:eio"});
  constexpr int kThreads = 4, kEach = 5000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) plan.decide(read_of("/f", 0, 1));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plan.tallies()[0].matches, std::uint64_t{kThreads} * kEach);
  EXPECT_EQ(plan.tallies()[0].hits, std::uint64_t{kThreads} * kEach / 2);
}

}  // namespace
}  // namespace pagefold::inject
