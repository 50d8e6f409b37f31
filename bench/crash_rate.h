// What `pagefold crash` costs, on a program that stores into a set of files of 1 MiB and synchronises it: states that are rebuilt and
// checked in a second, with a check that does nothing, by one job and by as many as there are processors; and the time of the program
// natively, with fully owned files, and recorded.
#pragma once

#include <string>

#include "base/error.h"

namespace pagefold::bench {

inline constexpr double kCrashRateBar = 500;  // states a second, by all jobs

struct CrashCosts {
  double by_one_job = 0, by_all_jobs = 0;  // states a second
  unsigned jobs = 0;
  double native_ms = 0, owned_ms = 0, recorded_ms = 0;  // medians; recorded: with the check of one state
};

Result<CrashCosts> crash_costs(const std::string& pagefold, const std::string& programs, const std::string& directory, bool quick);

}  // namespace pagefold::bench
