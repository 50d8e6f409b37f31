// Which states are looked at. All of them when the budget allows; otherwise, cut by cut, those most likely to show a
// mistake, each cut with its share of the budget:
//
//   everything and nothing; each atom missing; each atom alone; every prefix in program order; every pair missing and
//   every pair alone (of at most 32 open atoms); every prefix with one atom missing (the same); 64 random sets.
//
// A set is completed by what its members need, or freed of what lacks its needs. A share that does not suffice for a
// kind is spent on a random choice of it. What is left over goes to the cuts that could not finish.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "crash/cut.h"

namespace pagefold::crash {

struct PlanOptions {
  std::size_t budget = 10'000;  // states to visit
  std::uint64_t seed = 1;
};

enum class Visit { New, Known, Stop };
using Visitor = std::function<Visit(const std::shared_ptr<const Cut>& cut, const Chosen& chosen)>;

struct PlanOutcome {
  bool exhaustive = false;  // no state was left out
  bool finished = false;    // the plan was carried out; the budget sufficed and nobody stopped it
};

PlanOutcome visit_states(const History& history, const Rules& rules, const PlanOptions& options, const Visitor& visit);

}  // namespace pagefold::crash
