// `pagefold run`: runs a program on Pagefold's memory and tells the story afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pagefold::cli {

struct RunArguments {
  std::vector<std::string> program;
  bool quiet = false;
  std::string json_path;  // empty: none
  unsigned fault_around = 256;
  std::string loader = "pagefold";  // or "system"
  bool loader_chosen = false;       // by the user, who then wants no other
  std::string memory, policy = "s3fifo", swap = "zram";  // memory: empty: no limit
  bool own_files = false;
  std::optional<std::chrono::milliseconds> write_back;  // none: the default
  std::vector<std::string> failures;  // --fail
  std::uint64_t seed = 0;
};

// Returns the exit code: the program's own, or 125, 126, 127 (see kernel/run.h). A JSON file that cannot be written
// after the run turns success into 125 and leaves the program's own failure as it is.
int run_command(const RunArguments& arguments);

struct Refusal {
  int exit_code = 0;
  std::string message;
};
// What to say, and which code to end with, when the kernel could not run the program.
Refusal refusal_of(const Error& error, const std::string& program);

}  // namespace pagefold::cli
