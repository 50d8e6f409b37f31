// From a state that breaks the checker to the smallest difference that does: delta debugging (Zeller's ddmin) over the atoms
// that are missing from "everything has reached the disk", and over those that are there beyond "only what is certain has";
// the smaller of the two is told.
#pragma once

#include "crash/explore.h"

namespace pagefold::crash {

struct MinimalCase {
  std::shared_ptr<const Cut> cut;
  Chosen chosen;
  Verdict verdict;
  enum class Form { Missing, Reached } form = Form::Missing;
  std::size_t trials = 0;

  // How many atoms make the difference.
  [[nodiscard]] std::size_t size() const;
};

struct MinimiseOptions {
  std::size_t most_trials = 400;  // checker runs; when they are used up, the smallest case so far is the answer
  bool check_empty = false;       // states without any file count, too
};

Result<MinimalCase> minimise(Trial& trial, const Violation& violation, const MinimiseOptions& options = {});

}  // namespace pagefold::crash
