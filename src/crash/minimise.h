// From a state that breaks the checker to the smallest difference that does, in two ways: what is missing from
// "everything has reached the disk", and what is there beyond "only what is certain has"; the smaller of the two is
// told.
//
// First delta debugging (Zeller's ddmin), which halves; then one atom after the other, with what depends on it, until
// no single one can be taken away: the case is 1-minimal, unless the trials were used up.
#pragma once

#include <functional>
#include <optional>

#include "crash/explore.h"

namespace pagefold::crash {

struct MinimalCase {
  std::shared_ptr<const Cut> cut;
  Chosen chosen;
  Verdict verdict;
  enum class Form { Missing, Reached } form = Form::Missing;
  std::size_t trials = 0;
  bool smallest = false;  // 1-minimal; false: the trials were used up before

  // How many atoms make the difference.
  [[nodiscard]] std::size_t size() const;
};

// Puts a state to the test; nullopt: it does not count.
using Probe = std::function<Result<std::optional<Verdict>>(const Cut&, const Chosen&)>;
// check_empty: states without any file count, too.
Probe probe_of(Trial& trial, bool check_empty);

Result<MinimalCase> minimise(const Probe& probe, const Violation& violation, std::size_t most_trials = 1000);

}  // namespace pagefold::crash
