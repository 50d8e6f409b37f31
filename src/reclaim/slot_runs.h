// Which slots of a swap file are in use. The pages of one eviction are to lie side by side, and to come and go by one access to
// the disk: a batch gets a free run that just holds it, else new slots at the end of the file. So that it stays contiguous,
// the file may become twice as long as what it holds, within its bound; after that a batch is split over the longest runs there are.
//
// Free slots are bits, in groups of 64; the groups stand in lists by their longest free run. A run that is used again lies within a
// group. So a batch finds its place at once, and what is remembered are 2 bits a slot, however scattered the free ones are.
//
// Slots count from 1. Not synchronised.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "reclaim/swap.h"

namespace pagefold::reclaim {

class SlotRuns {
 public:
  struct Run {
    SwapSlot first = 0;
    PageIndex count = 0;
  };

  explicit SlotRuns(PageIndex most) : most_(most) {}

  // A run of at most `wish` slots; count 0: none is free.
  Run take(PageIndex wish) {
    wish = std::min(wish, kGroup);
    for (PageIndex length = wish; length <= kGroup; ++length)
      if (lists_[length] != kNone) return cut(lists_[length], wish);
    const PageIndex may_reach = std::min(most_, std::max(2 * (held() + wish), kAlways));
    if (end_ + wish <= may_reach) return grow(wish);
    for (PageIndex length = wish; length > 0; --length)
      if (lists_[length] != kNone) return cut(lists_[length], length);
    return grow(std::min(wish, most_ - end_));
  }
  void give_back(Run run) {
    free_ += run.count;
    set_free(run, true);
  }
  // There are no slots but the first `most`: those beyond it that are free are gone.
  void end_at(PageIndex most) {
    most_ = std::min(most_, std::max(most, last_in_use()));
    if (end_ <= most_) return;
    free_ -= end_ - most_;
    set_free({most_ + 1, end_ - most_}, false);
    end_ = most_;
  }
  [[nodiscard]] PageIndex most() const { return most_; }
  [[nodiscard]] PageIndex held() const { return end_ - free_; }
  [[nodiscard]] bool full() const { return held() == most_; }

 private:
  static constexpr PageIndex kAlways = 4096;  // a file of 16 MiB is no waste
  static constexpr PageIndex kGroup = 64;
  using Index = std::uint32_t;
  static constexpr Index kNone = 0;  // groups count from 1
  struct Group {
    std::uint64_t free = 0;
    Index before = kNone, after = kNone;
  };

  // Bits [from, from + count) of a group; count > 0.
  static std::uint64_t bits(PageIndex from, PageIndex count) { return (~std::uint64_t{0} >> (kGroup - count)) << from; }
  // Places from which on `count` bits in a row are set.
  static std::uint64_t starts(std::uint64_t word, PageIndex count) {
    for (PageIndex have = 1; have < count;) {
      const PageIndex more = std::min(have, count - have);
      word &= word >> more;
      have += more;
    }
    return word;
  }
  static PageIndex longest(std::uint64_t word) {
    PageIndex length = 0;
    for (; word != 0; word &= word >> 1) ++length;
    return length;
  }

  Run grow(PageIndex count) {
    const Run run{end_ + 1, count};
    end_ += count;
    groups_.resize((end_ + kGroup - 1) / kGroup + 1);
    return run;
  }
  // The first `count` slots of a run in this group that has so many.
  Run cut(Index group, PageIndex count) {
    const auto from = static_cast<PageIndex>(std::countr_zero(starts(groups_[group].free, count)));
    const Run run{(group - 1) * kGroup + from + 1, count};
    free_ -= count;
    set_free(run, false);
    return run;
  }
  void set_free(Run run, bool free) {
    for (PageIndex at = run.first - 1, end = at + run.count; at < end;) {
      const Index group = static_cast<Index>(at / kGroup + 1);
      const PageIndex in = at % kGroup, count = std::min(kGroup - in, end - at);
      unlink(group);
      if (free)
        groups_[group].free |= bits(in, count);
      else
        groups_[group].free &= ~bits(in, count);
      link(group);
      at += count;
    }
  }
  void link(Index group) {
    Group& g = groups_[group];
    if (g.free == 0) return;
    Index& head = lists_[longest(g.free)];
    g.before = kNone;
    g.after = head;
    if (head != kNone) groups_[head].before = group;
    head = group;
  }
  void unlink(Index group) {
    const Group& g = groups_[group];
    if (g.free == 0) return;
    (g.before == kNone ? lists_[longest(g.free)] : groups_[g.before].after) = g.after;
    if (g.after != kNone) groups_[g.after].before = g.before;
  }
  [[nodiscard]] PageIndex last_in_use() const {
    PageIndex last = end_;
    while (last > 0 && (groups_[(last - 1) / kGroup + 1].free >> (last - 1) % kGroup & 1) != 0) --last;
    return last;
  }

  PageIndex most_;
  PageIndex end_ = 0;                         // the last slot that was ever given
  PageIndex free_ = 0;                        // of these
  std::vector<Group> groups_;                 // [0] is none
  std::array<Index, kGroup + 1> lists_{};     // by the longest free run: the first group
};

}  // namespace pagefold::reclaim
