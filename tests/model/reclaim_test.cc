// The reclaimer against simple models: the limit against a count, frames in and out of the swap against plain contents.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "model/memory_frames.h"
#include "reclaim/reclaimer.h"
#include "reclaim/swapped_frames.h"

namespace pagefold::reclaim {
namespace {

using vm::FillReason;

std::string any_policy() {
  return std::string(
      *rc::gen::elementOf(std::vector<std::string_view>(std::begin(kPolicyNames), std::end(kPolicyNames))));
}

// ---- the reclaimer

// Pages of one owner: some of them refuse to go.
class FakeOwner final : public Owner {
 public:
  explicit FakeOwner(Reclaimer& reclaimer) : reclaimer_(reclaimer) {}
  [[nodiscard]] Kind kind() const override { return Kind::Private; }
  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience) override {
    if (meanwhile) meanwhile();
    std::vector<Kept> kept;
    for (const PageIndex page : pages) {
      if (!resident.contains(page)) {
        kept.push_back({page, Refusal::Gone});
      } else if (pinned.contains(page)) {
        kept.push_back({page, Refusal::Pinned});
      } else {
        speculation_went = speculation_went || ahead.erase(page) > 0;
        resident.erase(page);
        reclaimer_.gone(id, page, page + 1, Going::Evicted);
      }
    }
    return kept;
  }
  std::vector<PageIndex> watch(const std::vector<PageIndex>& pages) override { return pages; }

  OwnerId id = 0;
  std::set<PageIndex> resident, pinned, ahead;
  bool speculation_went = false;
  std::function<void()> meanwhile;  // what programs do while pages are taken away

 private:
  Reclaimer& reclaimer_;
};

// A reclaimer and the one owner of all its frames.
struct Room {
  Room(PageIndex limit, const std::string& policy) : reclaimer(limit, make_policy(policy)), owner(std::make_shared<FakeOwner>(reclaimer)) {
    owner->id = reclaimer.add(owner, Owner::Kind::Private);
  }
  void install(PageIndex page, Coming coming = Coming::Needed) {
    owner->resident.insert(page);
    reclaimer.came(owner->id, page, page + 1, coming);
  }
  // A fault on `page` that wishes for so many from there on.
  void fill(PageIndex page, PageIndex wish = 1, Patience patience = Patience::Wait) {
    const auto room = reclaimer.make_room(1, wish, patience);
    ASSERT_TRUE(room) << page;
    const Reservation reservation(reclaimer.limit(), *room);
    for (PageIndex p = page; p < page + *room; ++p) install(p, p == page ? Coming::Needed : Coming::Ahead);
  }
  void fill_with_pinned(PageIndex pages) {
    for (PageIndex page = 0; page < pages; ++page) fill(page), owner->pinned.insert(page);
  }

  Reclaimer reclaimer;
  std::shared_ptr<FakeOwner> owner;
};

RC_GTEST_PROP(Reclaimer, FramesNeverExceedTheLimit, ()) {
  const PageIndex limit = *rc::gen::inRange<PageIndex>(8, 60);
  Room room(limit, any_policy());
  Reclaimer& reclaimer = room.reclaimer;
  const auto owner = room.owner;
  for (int step = *rc::gen::inRange(0, 300); step > 0; --step) {
    const PageIndex page = *rc::gen::inRange<PageIndex>(0, 120);
    switch (*rc::gen::inRange(0, 8)) {
      default: {
        if (owner->resident.contains(page)) break;
        const PageIndex before = owner->resident.size();
        const auto made = reclaimer.make_room(1, *rc::gen::inRange<PageIndex>(1, 8), Patience::NoWait);
        if (!made) {  // only when all that is there refuses
          RC_ASSERT(before == limit);
          RC_ASSERT(owner->pinned == owner->resident);
          break;
        }
        // Speculation takes what is free and no more: one frame had to go at most as a batch, for the needed one.
        const Reservation reservation(reclaimer.limit(), *made);
        owner->ahead.erase(page);
        room.install(page);
        for (PageIndex next = page + 1; next < page + *made; ++next) {
          if (!owner->resident.insert(next).second) break;
          owner->ahead.insert(next);
          reclaimer.came(owner->id, next, next + 1, Coming::Ahead);
        }
        break;
      }
      case 5:
        if (owner->resident.erase(page) == 0) break;
        owner->pinned.erase(page), owner->ahead.erase(page);
        reclaimer.gone(owner->id, page, page + 1, Going::Freed);
        break;
      case 6:
        reclaimer.watch_next();
        if (owner->resident.contains(page)) reclaimer.touched(owner->id, page), owner->ahead.erase(page);
        break;
      case 7:
        if (owner->resident.contains(page) && owner->pinned.size() < limit) owner->pinned.insert(page);
        break;
    }
    RC_ASSERT(reclaimer.limit().used() == owner->resident.size());
    RC_ASSERT(reclaimer.limit().used() <= limit);
    RC_ASSERT(reclaimer.limit().overdrawn() == 0U);
    reclaimer.check_invariants();
  }
}

// What is put in ahead of need uses free frames and goes first.
TEST(Reclaimer, SpeculationTakesOnlyFreeFramesAndGoesFirst) {
  constexpr PageIndex kLimit = 256;
  Room room(kLimit, "lru");
  room.fill(0, 100, Patience::NoWait);
  EXPECT_EQ(room.owner->resident.size(), 100U);
  for (PageIndex page = 1000; page < 1000 + kLimit - 100; ++page) room.fill(page, 1, Patience::NoWait);
  EXPECT_EQ(room.reclaimer.limit().used(), kLimit);
  EXPECT_EQ(room.reclaimer.counts().rounds, 0U);
  room.fill(5000, 200, Patience::NoWait);  // full: nothing ahead of need, and what was put in ahead goes for it
  EXPECT_TRUE(room.owner->resident.contains(0)) << "a needed page went before those ahead of need";
  EXPECT_TRUE(room.owner->resident.contains(1000));
  EXPECT_FALSE(room.owner->resident.contains(1));
  EXPECT_FALSE(room.owner->resident.contains(5001)) << "speculation took a frame that an eviction had freed";
}

TEST(Reclaimer, SaysSoWhenNothingCanGo) {
  Room room(4, "clock");
  room.fill_with_pinned(4);
  EXPECT_EQ(room.reclaimer.make_room(1, 1, Patience::Wait).error().code, ENOMEM);
  EXPECT_EQ(room.reclaimer.make_room(5, 5, Patience::Wait).error().code, ENOMEM);
}

// Frames are freed ahead of demand, a batch beyond what is asked for, and by another thread than the one that asks.
TEST(Reclaimer, EvictsAheadOfDemand) {
  constexpr PageIndex kLimit = 4096;
  Room room(kLimit, "lru");
  Reclaimer& reclaimer = room.reclaimer;
  reclaimer.begin_evicting_ahead();
  std::mutex mutex;  // FakeOwner's
  std::thread evictor([&] {
    while (reclaimer.wait_until_room_is_due()) {
      const std::lock_guard lock(mutex);
      reclaimer.evict_ahead();
    }
  });
  for (PageIndex page = 0; page < 3 * kLimit; ++page) {
    const auto made = reclaimer.make_room(1, 1, Patience::Wait);
    ASSERT_TRUE(made);
    const Reservation reservation(reclaimer.limit(), *made);
    const std::lock_guard lock(mutex);
    room.install(page);
    ASSERT_LE(room.owner->resident.size(), kLimit);
  }
  for (int i = 0; i < 1000 && reclaimer.limit().free() < kLimit / 256; ++i) ::usleep(1000);
  EXPECT_GE(reclaimer.limit().free(), kLimit / 256);
  EXPECT_LE(reclaimer.limit().free(), kLimit / 64) << "it frees a little, not everything";
  reclaimer.stop();
  evictor.join();
  EXPECT_EQ(reclaimer.limit().overdrawn(), 0U);
  reclaimer.check_invariants();
}

// It finds nothing that could go: who asks is told so, and nobody waits for it for ever.
TEST(Reclaimer, SaysSoWhenNothingCanGoAheadOfDemandEither) {
  constexpr PageIndex kLimit = 2048;
  Room room(kLimit, "clock");
  room.fill_with_pinned(kLimit);
  room.reclaimer.begin_evicting_ahead();
  std::thread evictor([&] {
    while (room.reclaimer.wait_until_room_is_due()) room.reclaimer.evict_ahead();
  });
  EXPECT_EQ(room.reclaimer.make_room(1, 1, Patience::Wait).error().code, ENOMEM);
  room.reclaimer.stop();
  evictor.join();
}

// Four rounds of evictions, and then few frames are in use: but because a program has given them back, not because none can go.
TEST(Reclaimer, DoesNotGiveUpWhenMuchIsGivenBackMeanwhile) {
  constexpr PageIndex kLimit = 256, kRest = 20;
  Room room(kLimit, "lru");
  PageIndex page = 0;
  while (page < 4 * kLimit) room.fill(page++);
  while (room.reclaimer.limit().free() > 0) room.fill(page++);
  room.owner->meanwhile = [&] {
    std::set<PageIndex>& resident = room.owner->resident;
    while (resident.size() > kRest) {
      const PageIndex last = *resident.rbegin();
      resident.erase(last);
      room.reclaimer.gone(room.owner->id, last, last + 1, Going::Freed);
    }
  };
  room.fill(page);
}

// ---- frames that may be out

using Page = std::array<std::byte, kPageSize>;

Page filled_with(unsigned value) {
  Page page{};
  if (value == 0) return page;
  for (std::size_t i = 0; i < page.size(); ++i)
    page[i] = static_cast<std::byte>(value * (value % 3 == 0 ? i * i + 1 : 1) + i % 5);
  return page;
}

class AcceptsNothing final : public Owner {
 public:
  [[nodiscard]] Kind kind() const override { return Kind::Private; }
  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience) override {
    std::vector<Kept> kept;
    for (const PageIndex page : pages) kept.push_back({page, Refusal::Pinned});
    return kept;
  }
};

class CannotRelease final : public vm::FrameSource {
 public:
  Result<void> read(Bytes offset, void* to, Bytes length) const override { return frames_.read(offset, to, length); }
  Result<void> write(Bytes offset, const void* from, Bytes length) override { return frames_.write(offset, from, length); }
  Result<void> release(Bytes offset, Bytes length) override { return refuses ? fail(EIO) : frames_.release(offset, length); }
  bool refuses = true;

 private:
  vm::MemoryFrames frames_;
};

// One page leaves, and nothing comes between the steps.
bool swap_out(SwappedFrames& frames, PageIndex page) {
  Departure departure(1);
  frames.leave(page, page + 1, departure);
  frames.store(departure);
  return frames.gone(departure, 0) && frames.release_frames(page, page + 1);
}

TEST(SwappedFrames, FramesThatCannotBeReleasedAreNotOut) {
  Reclaimer reclaimer(8, make_policy("lru"));
  const auto swap = make_memory_swap(Bytes{1} << 20);
  {
    const auto frames = std::make_shared<CannotRelease>();
    SwappedFrames swapped(frames, reclaimer, swap.get());
    const auto owner = std::make_shared<AcceptsNothing>();
    swapped.set_owner(reclaimer.add(owner, Owner::Kind::Private), owner);
    const Page contents = filled_with(5), changed = filled_with(6);
    Page now{};
    ASSERT_TRUE(swapped.write(0, contents.data(), kPageSize));
    EXPECT_FALSE(swap_out(swapped, 0));
    EXPECT_TRUE(swapped.has_frame(0));
    EXPECT_FALSE(swapped.is_out(0));
    EXPECT_EQ(swap->held(), 0U);
    EXPECT_EQ(reclaimer.limit().used(), 1U);
    // What a program stores into the frame is what is there; and the page can go when its frame can.
    ASSERT_TRUE(frames->write(0, changed.data(), kPageSize));
    frames->refuses = false;
    EXPECT_TRUE(swap_out(swapped, 0));
    EXPECT_EQ(reclaimer.limit().used(), 0U);
    ASSERT_TRUE(swapped.read(0, now.data(), kPageSize));
    EXPECT_EQ(now, changed);
  }
}

RC_GTEST_PROP(SwappedFrames, KeepEveryContentWhereverItIs, ()) {
  const PageIndex limit = *rc::gen::inRange<PageIndex>(2, 12);
  Reclaimer reclaimer(limit, make_policy("lru"));
  const auto swap = *rc::gen::arbitrary<bool>() ? make_zram(Bytes{1} << 20) : make_memory_swap(Bytes{1} << 20);
  {
    auto frames = std::make_shared<vm::MemoryFrames>();
    SwappedFrames swapped(frames, reclaimer, swap.get());
    const auto owner = std::make_shared<AcceptsNothing>();
    swapped.set_owner(reclaimer.add(owner, Owner::Kind::Private), owner);
    std::map<PageIndex, Page> model;
    std::optional<Departure> departure;  // an eviction under way, and a fetch
    bool stored = false;
    std::optional<Found> found;
    const PageBlock fetched = make_page_block(bytes_of(4));
    for (int step = *rc::gen::inRange(0, 200); step > 0; --step) {
      const PageIndex page = *rc::gen::inRange<PageIndex>(0, 16);
      switch (*rc::gen::inRange(0, 9)) {
        case 0: {
          const Page contents = filled_with(*rc::gen::inRange(0U, 7U));
          const Bytes from = *rc::gen::elementOf(std::vector<Bytes>{0, 0, 100, 4000}),
                      length = from == 0 ? kPageSize : 96;
          if (!model.contains(page)) model[page] = Page{};
          RC_ASSERT(swapped.write(bytes_of(page) + from, contents.data(), length).has_value());
          std::copy_n(contents.begin(), length, model[page].begin() + static_cast<std::ptrdiff_t>(from));
          break;
        }
        case 1:
          if (swapped.has_frame(page)) {
            RC_ASSERT(swap_out(swapped, page));
            RC_ASSERT(swapped.is_out(page) && !swapped.has_frame(page));
          }
          break;
        case 2:
          RC_ASSERT(swapped.release(bytes_of(page), 2 * kPageSize).has_value());
          model.erase(page), model.erase(page + 1);
          break;
        case 3: {
          if (departure) break;
          departure.emplace(4);
          PageIndex end = page;
          while (end < page + 4 && swapped.has_frame(end)) ++end;
          if (end > page) swapped.leave(page, end, *departure);
          stored = false;
          break;
        }
        case 8:  // while it is under way, anything may happen before and after its contents are copied
          if (departure && !std::exchange(stored, true)) swapped.store(*departure);
          break;
        case 4:
          if (!departure || !stored) break;
          for (std::size_t i = 0; i < departure->pages().size(); ++i) {
            const PageIndex leaver = departure->pages()[i];
            const bool leaves = swapped.leaves(leaver);
            const auto gone = swapped.gone(*departure, i);
            RC_ASSERT(gone.has_value() == leaves);
            if (gone) RC_ASSERT(swapped.release_frames(leaver, leaver + 1).has_value());
          }
          departure.reset();
          break;
        case 5:
          found = swapped.find(page, page + 4);
          RC_ASSERT((found->pages() > 0) == swapped.is_out(page));
          if (found->pages() > 0) RC_ASSERT(swapped.fetch(*found, fetched.get()).has_value());
          break;
        case 6: {  // what was fetched a while ago is installed as far as it is still what is out
          const PageIndex still = found ? swapped.still_out(*found) : 0;
          for (PageIndex i = 0; i < still && reclaimer.limit().take(1); ++i) {
            const Reservation reservation(reclaimer.limit(), 1);
            RC_ASSERT(frames->write(bytes_of(found->first + i), fetched.get() + bytes_of(i), kPageSize).has_value());
            swapped.filled(found->first + i, found->first + i + 1, FillReason::Needed);
          }
          found.reset();
          break;
        }
        default:  // as a fault on a page that leaves
          swapped.stay(page, page + 1);
      }
      for (PageIndex p = 0; p < 17; ++p) {
        Page contents;
        RC_ASSERT(swapped.read(bytes_of(p), contents.data(), kPageSize).has_value());
        RC_ASSERT(contents == (model.contains(p) ? model[p] : Page{}));
        RC_ASSERT((swapped.is_out(p) || swapped.has_frame(p)) == model.contains(p));
      }
      RC_ASSERT(reclaimer.limit().used() <= limit);
      RC_ASSERT(reclaimer.limit().overdrawn() == 0U);
    }
    swapped.stay(0, 100);
    for (std::size_t i = 0; departure && i < departure->pages().size(); ++i) (void)swapped.gone(*departure, i);
  }
  RC_ASSERT(reclaimer.limit().used() == 0U);
  RC_ASSERT(swap->held() == 0U);
}

}  // namespace
}  // namespace pagefold::reclaim
