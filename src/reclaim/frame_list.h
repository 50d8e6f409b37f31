// A list of frames with a place for each: appended, moved and removed in constant time. The bricks that policies are
// made of.
//
// Every frame there is stands in one of them, and what they take is missing to the program; so they are packed: an entry knows
// its neighbours by number, and a hash table (linear probing) knows the entries by number. Some 20 bytes a frame.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <vector>

#include "reclaim/policy.h"

namespace pagefold::reclaim {

template <class Mark>
class FrameList {
 public:
  struct Entry {
    FrameKey frame = 0;
    [[no_unique_address]] Mark mark{};
  };

  [[nodiscard]] bool contains(FrameKey frame) const { return find(frame) != kNone; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] Entry& front() { return nodes_[nodes_[kRing].after].entry; }
  // Null when it is not in the list.
  Mark* mark(FrameKey frame) {
    const Index at = find(frame);
    return at == kNone ? nullptr : &nodes_[at].entry.mark;
  }
  // A frame that is not in the list.
  void push_back(FrameKey frame, Mark mark) {
    if (4 * (size_ + 1) > 3 * table_.size()) grow_table();
    Index at = unused_;
    if (at == kNone) {
      at = static_cast<Index>(nodes_.size());
      nodes_.emplace_back();
    } else {
      unused_ = nodes_[at].after;
    }
    nodes_[at].entry = {frame, mark};
    link_last(at);
    table_[place_of(frame)] = at;
    ++size_;
  }
  void pop_front() { erase(front().frame); }
  void front_to_back() { move_to_back(nodes_[kRing].after); }
  bool to_back(FrameKey frame) {
    const Index at = find(frame);
    if (at != kNone) move_to_back(at);
    return at != kNone;
  }
  bool erase(FrameKey frame) {
    if (table_.empty()) return false;
    const std::size_t place = place_of(frame);
    const Index at = table_[place];
    if (at == kNone) return false;
    close_gap(place);
    unlink(at);
    nodes_[at].after = unused_;
    unused_ = at;
    --size_;
    return true;
  }
  // The first frames that `wanted` accepts, until `to` holds `most`.
  template <class Wanted>
  void first(std::size_t most, std::vector<FrameKey>& to, Wanted&& wanted) const {
    for (Index at = nodes_[kRing].after; at != kRing && to.size() < most; at = nodes_[at].after)
      if (wanted(nodes_[at].entry.mark)) to.push_back(nodes_[at].entry.frame);
  }

 private:
  using Index = std::uint32_t;
  // Node 0 closes the ring: its neighbours are the first and the last. No frame has it, so in the table it says: nothing here.
  static constexpr Index kRing = 0, kNone = 0;
  struct Node {
    Entry entry;
    Index before = kRing, after = kRing;
  };

  void link_last(Index at) {
    const Index last = nodes_[kRing].before;
    nodes_[at].before = last;
    nodes_[at].after = kRing;
    nodes_[last].after = nodes_[kRing].before = at;
  }
  void unlink(Index at) {
    nodes_[nodes_[at].before].after = nodes_[at].after;
    nodes_[nodes_[at].after].before = nodes_[at].before;
  }
  void move_to_back(Index at) {
    unlink(at);
    link_last(at);
  }

  // Fibonacci hashing (Knuth, TAOCP 3, 6.4): the high bits of a product with the golden ratio.
  [[nodiscard]] std::size_t home_of(FrameKey frame) const {
    return static_cast<std::size_t>((frame * 0x9e3779b97f4a7c15ULL) >> (64 - std::countr_zero(table_.size())));
  }
  // Where the frame is in the table, or the empty place where it would be.
  [[nodiscard]] std::size_t place_of(FrameKey frame) const {
    std::size_t place = home_of(frame);
    while (table_[place] != kNone && nodes_[table_[place]].entry.frame != frame) place = next(place);
    return place;
  }
  [[nodiscard]] std::size_t next(std::size_t place) const { return (place + 1) & (table_.size() - 1); }
  [[nodiscard]] Index find(FrameKey frame) const { return table_.empty() ? kNone : table_[place_of(frame)]; }
  // Empties a place: what stands behind it and would not be found any more moves up.
  void close_gap(std::size_t gap) {
    for (std::size_t place = next(gap); table_[place] != kNone; place = next(place)) {
      const std::size_t home = home_of(nodes_[table_[place]].entry.frame), mask = table_.size() - 1;
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      table_[gap] = table_[place];
      gap = place;
    }
    table_[gap] = kNone;
  }
  void grow_table() {
    constexpr std::size_t kFirst = 16;
    table_.assign(table_.empty() ? kFirst : 2 * table_.size(), kNone);
    for (Index at = nodes_[kRing].after; at != kRing; at = nodes_[at].after) table_[place_of(nodes_[at].entry.frame)] = at;
  }

  std::deque<Node> nodes_ = std::deque<Node>(1);
  std::vector<Index> table_;  // a power of two of places, three quarters in use at most
  Index unused_ = kNone;      // nodes without a frame, one behind the other
  std::size_t size_ = 0;
};

}  // namespace pagefold::reclaim
