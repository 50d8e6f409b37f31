// How many states of a set of files of 1 MiB `pagefold crash` rebuilds and checks in a second, with a check that does nothing.
#pragma once

#include <string>

#include "base/error.h"

namespace pagefold::bench {

inline constexpr double kCrashRateBar = 500;  // states a second

Result<double> crash_rate(const std::string& pagefold, const std::string& programs, const std::string& directory, bool quick);

}  // namespace pagefold::bench
