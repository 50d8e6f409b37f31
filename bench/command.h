// Runs one command to its end and measures it: wall time from fork to wait, and what it printed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pagefold::bench {

struct Command {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH
  std::string directory;          // working directory
  std::optional<int> cpu;         // the one processor that it, and all it starts, may use
  std::chrono::seconds timeout{60};
};

struct Outcome {
  double wall_ns = 0;
  int status = 0;      // as wait(2) tells it
  std::string output;  // standard output and standard error
};

// Errors: ETIMEDOUT (its process group was killed), or what kept it from starting. A program that cannot be executed ends
// with the code 127.
Result<Outcome> run_command(const Command& command);

// "exit code 1", "signal 11".
std::string ending_of(int status);

// The last processor this process may use: the one that pinned runs are pinned to.
int last_allowed_cpu();

// argv[0] is an executable file, or one is found in PATH.
bool is_installed(const std::string& program);

}  // namespace pagefold::bench
