// A power cut at one position: what is on the disk for certain, and the atoms that may be there as well. A set of these
// that contains what its members need is a state that the cut can leave.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "crash/model.h"

namespace pagefold::crash {

// Which of a cut's open atoms have reached the disk, by their index in Cut::open.
using Chosen = std::vector<bool>;

class Cut {
 public:
  Cut(const History& history, const Rules& rules, Position position);

  [[nodiscard]] Position position() const { return position_; }
  // In program order.
  [[nodiscard]] const std::vector<AtomNumber>& open() const { return open_; }
  [[nodiscard]] std::size_t size() const { return open_.size(); }

  [[nodiscard]] bool is_closed(const Chosen& chosen) const;
  // Adds what the members need.
  void close_upwards(Chosen& chosen) const;
  // Removes members that lack what they need.
  void close_downwards(Chosen& chosen) const;
  // The number of states, counted up to `most`.
  [[nodiscard]] std::size_t count(std::size_t most) const;
  // Every state once, until `visit` returns false. False: it did.
  bool for_each(const std::function<bool(const Chosen&)>& visit) const;

  // By unit.
  [[nodiscard]] std::vector<Value> values(const Chosen& chosen) const;

 private:
  bool extend(Chosen& chosen, std::size_t at, const std::function<bool(const Chosen&)>& visit) const;

  const History& history_;
  Position position_;
  std::vector<AtomNumber> open_;
  std::vector<std::vector<std::size_t>> needs_;  // by index in open_: indices in open_
  std::vector<Value> base_;
  std::vector<AtomNumber> base_from_;  // by unit: one past the certain atom that gave the value
};

}  // namespace pagefold::crash
