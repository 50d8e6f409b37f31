// What is under way after io_submit: a ring of events is laid out here as the kernel does, in memory of this process.
#include "kernel/files/in_flight.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>

#include "kernel/space.h"

namespace pagefold::kernel {
namespace {

class Memory final : public vm::Pinnable {};

class InFlightTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kEvents = 127;

  void SetUp() override {
    ring_ = static_cast<std::uint32_t*>(::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ring_[1] = kEvents;
    ring_[4] = 0xa10a10a1;
    space_.memory = UniqueFd(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
  }
  void TearDown() override { ::munmap(ring_, kPageSize); }

  [[nodiscard]] VirtAddr context() const { return reinterpret_cast<VirtAddr>(ring_); }
  InFlight::Block block(VirtAddr address, std::uint64_t data, PageIndex page, std::uint64_t place = 0) {
    InFlight::Block all{address, data, place, {}};
    all.pins.emplace_back(memory_, page, page + 1);
    return all;
  }
  std::uint64_t begin(VirtAddr address, std::uint64_t data, PageIndex page) {
    std::vector<InFlight::Block> one;
    one.push_back(block(address, data, page));
    return in_flight_.begin(space_, context(), std::move(one));
  }
  // The kernel says that one has ended.
  void end(VirtAddr address, std::uint64_t data) {
    auto* const events = reinterpret_cast<io_event*>(ring_) + 1;
    events[tail()] = {data, address, 4096, 0};
    tail() = (tail() + 1) % kEvents;
  }
  std::uint32_t& tail() { return ring_[3]; }
  bool pinned(PageIndex page) {
    in_flight_.settle(space_);
    return memory_->pinned(page);
  }

  Space space_;
  InFlight in_flight_;
  std::shared_ptr<Memory> memory_ = std::make_shared<Memory>();
  std::uint32_t* ring_ = nullptr;
};

TEST_F(InFlightTest, AReadPinsItsPagesUntilItsEventIsThere) {
  begin(1000, 7, 3);
  begin(2000, 7, 4);
  EXPECT_TRUE(pinned(3));
  end(2000, 7);
  EXPECT_TRUE(pinned(3));
  EXPECT_FALSE(pinned(4));
  end(1000, 7);
  EXPECT_FALSE(pinned(3));
}

TEST_F(InFlightTest, EventsAreFollowedAroundTheRing) {
  for (std::uint64_t i = 0; i < 5 * kEvents; ++i) {
    begin(1000 + i, 0, i);
    begin(5000 + i, 0, i + 10'000);
    ASSERT_TRUE(pinned(i));
    end(5000 + i, 0);
    end(1000 + i, 0);
    ASSERT_FALSE(pinned(i));
  }
}

TEST_F(InFlightTest, ARingfulBetweenTwoLooksIsSeenWhole) {
  tail() = 100;
  for (std::uint64_t i = 0; i < kEvents - 1; ++i) begin(1000 + i, 0, i);
  for (std::uint64_t i = 0; i < kEvents - 1; ++i) end(1000 + i, 0);
  in_flight_.settle(space_);
  EXPECT_FALSE(memory_->any_pinned());
}

// One control block, submitted again before its first read has ended: which of the two an event speaks of is not known.
TEST_F(InFlightTest, ReadsThatLookAlikeEndWithTheLast) {
  begin(1000, 7, 3);
  begin(1000, 7, 4);
  end(1000, 7);
  EXPECT_TRUE(pinned(3));
  EXPECT_TRUE(pinned(4));
  end(1000, 7);
  EXPECT_FALSE(pinned(3));
  EXPECT_FALSE(pinned(4));
}

TEST_F(InFlightTest, WhatWasNotSubmittedIsNotUnderWay) {
  std::vector<InFlight::Block> three;
  for (std::uint64_t i = 0; i < 3; ++i) three.push_back(block(1000, 7, i, i));
  const auto submission = in_flight_.begin(space_, context(), std::move(three));
  in_flight_.submitted(context(), submission, 1);
  EXPECT_TRUE(pinned(0));
  EXPECT_FALSE(pinned(1));
  EXPECT_FALSE(pinned(2));
  end(1000, 7);
  EXPECT_FALSE(pinned(0));
}

TEST_F(InFlightTest, WhatEndedBeforeTheCallReturnedIsOverAsWell) {
  std::vector<InFlight::Block> two;
  for (std::uint64_t i = 0; i < 2; ++i) two.push_back(block(1000, 7, i, i));
  const auto submission = in_flight_.begin(space_, context(), std::move(two));
  end(1000, 7);
  EXPECT_TRUE(pinned(0));
  in_flight_.submitted(context(), submission, 1);
  EXPECT_FALSE(pinned(0));
}

TEST_F(InFlightTest, OldEventsAreNobodys) {
  end(1000, 7);
  begin(1000, 7, 3);
  EXPECT_TRUE(pinned(3));
}

TEST_F(InFlightTest, WhereThereIsNoRingNothingIsFollowed) {
  EXPECT_EQ(InFlight::most(space_, context()), kEvents);
  EXPECT_EQ(InFlight::most(space_, context() + 8), 0U);
  EXPECT_EQ(InFlight::most(space_, ~VirtAddr{0} << kPageShift), 0U);
  ring_[4] = 0;
  EXPECT_EQ(InFlight::most(space_, context()), 0U);
  begin(1000, 7, 3);
  EXPECT_FALSE(pinned(3));
}

// The guest can write the ring; a size or a tail that cannot be is not believed.
TEST_F(InFlightTest, ARingThatLiesEndsItsReads) {
  begin(1000, 7, 3);
  tail() = kEvents;
  EXPECT_FALSE(pinned(3));
  tail() = 0;
  begin(1000, 7, 3);
  ring_[1] = ~0U;
  EXPECT_FALSE(pinned(3));
}

// Where Pagefold has mapped something, a page may be missing.
TEST_F(InFlightTest, NoRingIsLookedForInMemoryOfPagefolds) {
  space_.host.set({{context(), context() + kPageSize}, pmap::HostPiece::Kind::Layer, vm::kRead, context(), nullptr});
  EXPECT_EQ(InFlight::most(space_, context()), 0U);
}

TEST_F(InFlightTest, AContextThatIsGoneHoldsNothing) {
  begin(1000, 7, 3);
  in_flight_.end(context());
  EXPECT_FALSE(pinned(3));
}

}  // namespace
}  // namespace pagefold::kernel
