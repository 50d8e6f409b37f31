// `pagefold crash`: records what a program does to its files, and looks for power cuts that these would not survive.
// `pagefold replay`: shows a case again.
#pragma once

#include <string>
#include <vector>

namespace pagefold::cli {

inline constexpr int kExitClean = 0, kExitViolation = 1, kExitBudget = 3;  // 2: usage; 125: Pagefold itself failed

struct CrashArguments {
  std::vector<std::string> program;
  std::string files, check, log;
  std::string model = "posix", output = "pagefold-crash", scratch;
  std::size_t budget = 10'000;
  unsigned jobs = 0;  // 0: one a processor
  unsigned torn = 0;  // 0: pages are written whole
  std::uint64_t seed = 1;
  double patience = 10;  // seconds
  bool check_empty = false, stop_at_first = false;
};

int crash_command(const CrashArguments& arguments);

struct ReplayArguments {
  std::string path;
  std::string keep;  // a directory to rebuild the files in, and to leave; empty: none
};

int replay_command(const ReplayArguments& arguments);

}  // namespace pagefold::cli
