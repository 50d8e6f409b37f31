// Measuring one case: native and Pagefold in turn (A B A B ...), so that a drift of the machine meets both.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "bench/cases.h"
#include "bench/statistics.h"

namespace pagefold::bench {

enum class Placement : unsigned char { Unpinned, Pinned };

struct Settings {
  std::string pagefold;  // the command
  std::string loader;    // ld-pagefold.so
  std::string scratch;   // working directory of all runs
  unsigned rounds = 0;   // 0: as the case says
  bool quick = false;
};

// One line of the table. Samples are nanoseconds; of SupervisorMemory, bytes: allowed and used.
struct Row {
  std::string name;
  Measure measure = Measure::Wall;
  Placement placement = Placement::Unpinned;
  std::optional<double> bar;
  std::vector<double> native;
  std::vector<double> pagefold;
  double value = 0;  // ratio of the medians; of StartUp, their difference in milliseconds
  Interval interval;
  std::string failure;  // not empty: why there are no numbers
  bool skipped = false; // ... and that is so because a program is not installed

  // A bar is missed only when the whole interval lies above it.
  [[nodiscard]] bool meets_bar() const { return !bar || interval.low <= *bar; }
};

// Placements in which a case is run: memory does not depend on it.
std::vector<Placement> placements_of(const Case& subject);

Row measure_case(const Case& subject, Placement placement, const Settings& settings);

}  // namespace pagefold::bench
