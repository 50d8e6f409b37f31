// Which slots of a swap file are in use. Free ones are kept as runs, so that the pages of one eviction lie side by side and
// come and go by one access to the disk: a batch gets the smallest free run that holds it, else new slots at the end of the
// file. So that it stays contiguous, the file may become twice as long as what it holds, within its bound; after that a batch
// is split over the largest runs there are.
//
// Slots count from 1. Not synchronised.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

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
    const auto fits = by_size_.lower_bound({wish, 0});
    if (fits != by_size_.end()) return cut(fits->second, wish);
    const PageIndex may_reach = std::min(most_, std::max(2 * (held() + wish), kAlways));
    if (end_ + wish <= may_reach) return grow(wish);
    if (!by_size_.empty()) return cut(by_size_.rbegin()->second, by_size_.rbegin()->first);
    return grow(std::min(wish, most_ - end_));
  }
  void give_back(Run run) {
    if (run.count == 0) return;
    free_ += run.count;
    const auto after = by_place_.lower_bound(run.first);
    if (after != by_place_.end() && run.first + run.count == after->first) {
      run.count += after->second;
      erase(after->first);
    }
    const auto next = by_place_.lower_bound(run.first);
    if (next != by_place_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == run.first) {
        run = {before->first, before->second + run.count};
        erase(before->first);
      }
    }
    insert(run);
  }
  // There are no slots but the first `most`: those beyond it that are free are gone.
  void end_at(PageIndex most) {
    most_ = std::min(most_, std::max(most, last_in_use()));
    if (end_ <= most_) return;
    const auto [first, count] = *by_place_.rbegin();
    erase(first);
    free_ -= end_ - most_;
    if (first <= most_) insert({first, most_ - first + 1});
    end_ = most_;
  }
  [[nodiscard]] PageIndex most() const { return most_; }
  [[nodiscard]] PageIndex held() const { return end_ - free_; }
  [[nodiscard]] bool full() const { return held() == most_; }

 private:
  static constexpr PageIndex kAlways = 4096;  // a file of 16 MiB is no waste

  [[nodiscard]] PageIndex last_in_use() const {
    if (by_place_.empty()) return end_;
    const auto& [first, count] = *by_place_.rbegin();
    return first + count - 1 == end_ ? first - 1 : end_;
  }
  Run grow(PageIndex count) {
    const Run run{end_ + 1, count};
    end_ += count;
    return run;
  }
  Run cut(SwapSlot first, PageIndex wish) {
    const PageIndex count = by_place_.at(first);
    erase(first);
    if (count > wish) insert({first + wish, count - wish});
    const PageIndex taken = std::min(count, wish);
    free_ -= taken;
    return {first, taken};
  }
  void insert(Run run) {
    by_place_.emplace(run.first, run.count);
    by_size_.emplace(run.count, run.first);
  }
  void erase(SwapSlot first) {
    const auto it = by_place_.find(first);
    by_size_.erase({it->second, first});
    by_place_.erase(it);
  }

  PageIndex most_;
  PageIndex end_ = 0;   // the last slot that was ever given
  PageIndex free_ = 0;  // of these
  std::map<SwapSlot, PageIndex> by_place_;
  std::set<std::pair<PageIndex, SwapSlot>> by_size_;
};

}  // namespace pagefold::reclaim
