// The cases of `make bench` as a table: what is run, what is measured, and the bar that issue and status speak of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pagefold::bench {

enum class Measure : unsigned char {
  Wall,              // wall time of the whole command, natively and under Pagefold; the bar is a ratio
  Printed,           // the "ns N" that the program prints of itself; the bar is a ratio
  StartUp,           // wall time; the bar is the difference, in milliseconds
  SupervisorMemory,  // the supervisor's peak memory against 24 MiB + 1/64 of the guests', from the run's JSON; a ratio, bar 1
  Load,              // execve to the program's entry point, under the genuine loader and ours, both natively; the bar is a ratio
  LoadMemory,        // private dirty memory at the entry point, likewise; a ratio
  GuestLoader,       // wall time under Pagefold, loaded by the genuine loader and by ours; a ratio, without a bar
};

// Argument of a Load case that stands for the generated program with many libraries.
inline constexpr const char* kManyLibraries = "200 libraries";

constexpr bool is_load(Measure measure) { return measure == Measure::Load || measure == Measure::LoadMemory; }

struct Case {
  std::string name;
  std::vector<std::string> argv;  // argv[0] must be installed, or the case is skipped
  Measure measure = Measure::Wall;
  std::optional<double> unpinned_bar;
  std::optional<double> pinned_bar;
  unsigned rounds = 15;
  unsigned quick_rounds = 5;
  bool bind_now = false;  // Load, LoadMemory: LD_BIND_NOW=1, for both loaders
  std::vector<std::string> flags{};  // more, of `pagefold run`
  bool about_files = false;  // wants what write_file_sources() writes
};

// `programs` is the folder of the built bench/programs.
std::vector<Case> all_cases(const std::string& programs);

// Writes the sources that the compiler cases compile into their working directory.
Result<void> write_sources(const std::string& directory);

}  // namespace pagefold::bench
