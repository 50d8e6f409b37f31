// A list of frames with a place for each: appended, moved and removed in constant time. The bricks that policies are
// made of.
#pragma once

#include <list>
#include <unordered_map>
#include <vector>

#include "reclaim/policy.h"

namespace pagefold::reclaim {

template <class Mark>
class FrameList {
 public:
  struct Entry {
    FrameKey frame;
    Mark mark;
  };

  [[nodiscard]] bool contains(FrameKey frame) const { return places_.contains(frame); }
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  [[nodiscard]] bool empty() const { return places_.empty(); }
  [[nodiscard]] Entry& front() { return entries_.front(); }
  // Null when it is not in the list.
  Mark* mark(FrameKey frame) {
    const auto it = places_.find(frame);
    return it == places_.end() ? nullptr : &it->second->mark;
  }
  void push_back(FrameKey frame, Mark mark) {
    entries_.push_back({frame, mark});
    places_[frame] = std::prev(entries_.end());
  }
  void pop_front() { erase(entries_.front().frame); }
  void front_to_back() { entries_.splice(entries_.end(), entries_, entries_.begin()); }
  bool to_back(FrameKey frame) {
    const auto it = places_.find(frame);
    if (it == places_.end()) return false;
    entries_.splice(entries_.end(), entries_, it->second);
    return true;
  }
  bool erase(FrameKey frame) {
    const auto it = places_.find(frame);
    if (it == places_.end()) return false;
    entries_.erase(it->second);
    places_.erase(it);
    return true;
  }
  // The first frames that `wanted` accepts, until `to` holds `most`.
  template <class Wanted>
  void first(std::size_t most, std::vector<FrameKey>& to, Wanted&& wanted) const {
    for (auto it = entries_.begin(); it != entries_.end() && to.size() < most; ++it)
      if (wanted(it->mark)) to.push_back(it->frame);
  }

 private:
  std::list<Entry> entries_;
  std::unordered_map<FrameKey, typename std::list<Entry>::iterator> places_;
};

}  // namespace pagefold::reclaim
