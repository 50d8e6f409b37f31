// The exploration of a log: the states of a plan, each distinct one checked once, several at a time.
//
// The caller's thread makes the states and tells them apart by a hash of names, contents and what had been told; `jobs`
// threads rebuild and check them. A state that leaves no file at all is only checked when that is asked for: most
// checkers mean files.
#pragma once

#include <atomic>
#include <functional>
#include <optional>

#include "crash/plan.h"
#include "crash/trial.h"

namespace pagefold::crash {

struct ExploreOptions {
  PlanOptions plan;
  unsigned jobs = 1;
  bool check_empty = false;
  bool stop_at_first = false;
  std::string target;                              // see Trial
  std::string scratch;                             // an existing directory
  const std::atomic<bool>* interrupted = nullptr;  // ends it soon once true
};

struct Violation {
  std::size_t number = 0;  // of the state, in the order of the plan
  std::shared_ptr<const Cut> cut;
  Chosen chosen;
  Verdict verdict;
};

struct Progress {
  std::size_t checked = 0, violations = 0;
};

struct Exploration {
  std::size_t checked = 0;   // distinct states
  std::size_t repeated = 0;  // states that were like one already seen
  std::size_t empty = 0;     // left out: no file at all
  std::size_t violations = 0;
  std::vector<Violation> examples;  // the first ones, in the order of the plan
  PlanOutcome plan;
};

// Errors: the scratch directory's; ENOEXEC when the checker cannot be run.
Result<Exploration> explore(const History& history, const Rules& rules, const Checker& checker,
                            const ExploreOptions& options, const std::function<void(const Progress&)>& progress);

}  // namespace pagefold::crash
