// Events and cases in words, one line each.
#pragma once

#include <string>

#include "crash/minimise.h"
#include "crash/names.h"

namespace pagefold::crash {

// "store to data.mdb, page 3", by the event's position.
class Describer {
 public:
  explicit Describer(const History& history) : history_(history), names_(names_of(history.log())) {}
  std::string operator()(Position event) const;

 private:
  const History& history_;
  std::vector<EventNames> names_;
};

// The events around a state, in order, each with its fate: on the disk for certain, reached the disk, lost, or in part.
std::string describe_events(const History& history, const Cut& cut, const Chosen& chosen, std::size_t most_lines = 60);

// The headline of a case: what is missing, or what alone has reached the disk.
std::string describe_case(const History& history, const MinimalCase& minimal);

// What the check made of it.
std::string describe_verdict(const Verdict& verdict);

}  // namespace pagefold::crash
