// The swap against plain contents: slots in use against a set, and each backend against a map, with batches that lie anywhere, files
// that are full, and file systems that know no O_DIRECT.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "base/scratch.h"
#include "reclaim/slot_runs.h"
#include "reclaim/swap.h"

namespace pagefold::reclaim {
namespace {

RC_GTEST_PROP(SlotRuns, AreDisjointAndWithinTheBound, ()) {
  PageIndex most = *rc::gen::inRange<PageIndex>(1, 200);
  SlotRuns runs(most);
  std::set<SwapSlot> in_use;
  std::vector<SlotRuns::Run> taken;
  for (int step = *rc::gen::inRange(0, 200); step > 0; --step) {
    const int what = *rc::gen::inRange(0, 20);
    if (what == 0) {
      const PageIndex end = *rc::gen::inRange<PageIndex>(0, 220);
      runs.end_at(end);
      most = std::min(most, std::max(end, in_use.empty() ? 0 : *in_use.rbegin()));
    } else if (what < 11) {
      const PageIndex wish = *rc::gen::inRange<PageIndex>(1, 20);
      const auto run = runs.take(wish);
      RC_ASSERT(run.count <= wish);
      RC_ASSERT((run.count == 0) == (in_use.size() == most));
      for (SwapSlot slot = run.first; slot < run.first + run.count; ++slot) {
        RC_ASSERT(slot >= 1 && slot <= most);
        RC_ASSERT(in_use.insert(slot).second);
      }
      if (run.count > 0) taken.push_back(run);
    } else if (!taken.empty()) {
      // A part of one, from either end, as pages come back.
      const std::size_t which = *rc::gen::inRange<std::size_t>(0, taken.size());
      SlotRuns::Run& run = taken[which];
      const PageIndex part = *rc::gen::inRange<PageIndex>(1, run.count + 1);
      const bool front = *rc::gen::arbitrary<bool>();
      const SlotRuns::Run back{front ? run.first : run.first + run.count - part, part};
      runs.give_back(back);
      for (SwapSlot slot = back.first; slot < back.first + back.count; ++slot) in_use.erase(slot);
      run = {front ? run.first + part : run.first, run.count - part};
      if (run.count == 0) taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(which));
    }
    RC_ASSERT(runs.held() == in_use.size());
    RC_ASSERT(runs.full() == (in_use.size() == most));
  }
}

TEST(SlotRuns, ABatchStaysTogetherWhileTheFileMayGrow) {
  SlotRuns runs(1 << 20);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(runs.take(64).count, 64U);
  for (SwapSlot slot = 1; slot <= 64'000; slot += 2) runs.give_back({slot, 1});  // every second page has come back
  EXPECT_EQ(runs.take(64).count, 64U);
}

// ---- backends

void fill(std::byte* page, unsigned value) {
  std::memset(page, static_cast<int>(value), kPageSize);
  if (value % 3 == 1)  // does not compress
    for (unsigned i = 0; i < kPageSize; ++i) page[i] = static_cast<std::byte>((i * i * 2654435761u + value) >> 13);
}

// Batches come and go; what is there reads as it was stored, one by one or in any order together.
void keeps_what_it_was_given(SwapBackend& swap) {
  std::map<SwapSlot, unsigned> model;
  unsigned zeros = 0;
  for (int step = *rc::gen::inRange(0, 60); step > 0; --step) {
    const std::size_t count = *rc::gen::inRange<std::size_t>(1, 40);
    if (*rc::gen::inRange(0, 3) > 0) {
      const PageBlock pages = make_page_block(bytes_of(count));
      std::vector<unsigned> values;
      for (std::size_t i = 0; i < count; ++i) {
        values.push_back(*rc::gen::inRange(0U, 200U) / 8 * 8 + static_cast<unsigned>(i % 3));
        fill(pages.get() + bytes_of(i), values.back());
      }
      std::vector<SwapSlot> slots(count);
      const auto stored = swap.put(pages.get(), slots);
      RC_ASSERT(stored.has_value() && *stored == count);
      for (std::size_t i = 0; i < count; ++i) {
        RC_ASSERT((slots[i] == kZeroPage) == (values[i] == 0));
        if (slots[i] == kZeroPage) ++zeros;
        else RC_ASSERT(model.emplace(slots[i], values[i]).second);
      }
    } else if (!model.empty()) {
      const auto from = std::next(model.begin(), *rc::gen::inRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(model.size())));
      std::vector<SwapSlot> slots = {kZeroPage};
      for (auto it = from; it != model.end() && slots.size() < count; ++it) slots.push_back(it->first);
      const std::size_t together = swap.together(slots);
      RC_ASSERT(together >= 1 && together <= slots.size());
      const PageBlock pages = make_page_block(bytes_of(slots.size()));
      RC_ASSERT(swap.get(slots, pages.get()).has_value());
      const PageBlock expected = make_page_block(kPageSize);
      for (std::size_t i = 0; i < slots.size(); ++i) {
        fill(expected.get(), i == 0 ? 0 : model.at(slots[i]));
        RC_ASSERT(std::memcmp(pages.get() + bytes_of(i), expected.get(), kPageSize) == 0);
      }
      swap.drop(slots);
      for (const SwapSlot slot : slots) model.erase(slot);
    }
  }
  std::vector<SwapSlot> rest;
  for (const auto& [slot, value] : model) rest.push_back(slot);
  swap.drop(rest);
  RC_ASSERT(swap.held() == 0U);
}

std::string fresh_name(const std::string& directory) {
  static int count = 0;
  return directory + "/pagefold-swap-test-" + std::to_string(::getpid()) + "-" + std::to_string(count++);
}

RC_GTEST_PROP(Swap, FileKeepsWhatItWasGiven, ()) {
  const auto swap = make_swap_file(fresh_name(std::filesystem::temp_directory_path()), Bytes{64} << 20);
  RC_ASSERT(swap.has_value());
  keeps_what_it_was_given(**swap);
}

RC_GTEST_PROP(Swap, ZramKeepsWhatItWasGiven, ()) { keeps_what_it_was_given(*make_zram(Bytes{64} << 20)); }

// Slots that follow one another are one read.
TEST(Swap, AFileReadsABatchAtOnce) {
  const auto swap = make_swap_file(fresh_name(std::filesystem::temp_directory_path()), Bytes{1} << 20).value();
  const PageBlock pages = make_page_block(bytes_of(64));
  std::memset(pages.get(), 7, bytes_of(64));
  std::vector<SwapSlot> slots(64);
  ASSERT_EQ(swap->put(pages.get(), slots).value(), 64U);
  EXPECT_EQ(swap->together(slots), 64U);
  std::swap(slots[10], slots[20]);
  EXPECT_EQ(swap->together(slots), 10U);
}

TEST(Swap, ABatchIsStoredAsFarAsThereIsRoom) {
  for (const bool in_a_file : {true, false}) {
    const auto swap = in_a_file ? make_swap_file(fresh_name(std::filesystem::temp_directory_path()), bytes_of(10)).value()
                                : make_memory_swap(bytes_of(10) + 2000);
    const PageBlock pages = make_page_block(bytes_of(16));
    std::memset(pages.get(), 7, bytes_of(16));
    std::memset(pages.get() + bytes_of(3), 0, kPageSize);
    std::vector<SwapSlot> slots(16);
    const std::size_t stored = swap->put(pages.get(), slots).value();
    EXPECT_EQ(stored, 11U) << in_a_file;  // ten, and one of zeros
    EXPECT_TRUE(swap->full());
    EXPECT_EQ(swap->put(pages.get(), slots).error().code, ENOSPC);
    EXPECT_EQ(swap->put(pages.get() + bytes_of(3), {slots.data(), 1}).value(), 1U) << "zeros take no room";
    std::vector<SwapSlot> again(16);
    std::fill(again.begin(), again.end(), kZeroPage);
    again[0] = in_a_file ? 4 : 2;
    swap->drop(again);
    EXPECT_FALSE(swap->full());
    EXPECT_EQ(swap->put(pages.get(), slots).value(), 1U);
  }
}

// The file system is full in the middle: what fits is kept, and the swap is as large as that from then on.
TEST(Swap, AFullFileSystemEndsTheFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const std::string directory = fresh_name(std::filesystem::temp_directory_path());
  std::filesystem::create_directory(directory);
  ASSERT_EQ(::mount("none", directory.c_str(), "tmpfs", 0, "size=64k"), 0);
  {
    const auto swap = make_swap_file(directory + "/swap", Bytes{1} << 30).value();
    const PageBlock pages = make_page_block(bytes_of(24));
    std::memset(pages.get(), 7, bytes_of(24));
    std::vector<SwapSlot> slots(24), more(24);
    std::size_t stored = 0;
    for (int i = 0; i < 4; ++i)
      if (const auto now = swap->put(pages.get(), {slots.data() + stored, 6})) stored += *now;
    EXPECT_GE(stored, 12U);
    EXPECT_LE(stored, 16U);
    EXPECT_EQ(swap->put(pages.get(), more).error().code, ENOSPC);
    EXPECT_NE(swap->trouble(), "");
    const PageBlock back = make_page_block(bytes_of(stored));
    ASSERT_TRUE(swap->get({slots.data(), stored}, back.get()));
    EXPECT_EQ(std::memcmp(back.get(), pages.get(), bytes_of(stored)), 0);
    swap->drop({slots.data(), 2});
    EXPECT_EQ(swap->put(pages.get(), {more.data(), 3}).value(), 2U);
  }
  ::umount2(directory.c_str(), MNT_DETACH);
  std::filesystem::remove(directory);
}

}  // namespace
}  // namespace pagefold::reclaim
