// The user's command that says whether files are sound: exit code 0 if they are. `{}` in it stands for the path of the
// files. It runs as `sh -c` would run it, or directly where it is plain words; its standard input is empty; what it
// prints is kept.
//
// PAGEFOLD_CRASH_OUTPUT in its environment names a file with what the program had told (its standard output) when the
// power was cut: what it acknowledged must be there.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "crash/cell.h"

namespace pagefold::crash {

class Checker {
 public:
  // Errors: EINVAL, an empty command.
  static Result<Checker> create(const std::string& command, std::chrono::milliseconds patience);

  // files: what {} stands for. directory: of a trial, where the files are; exists.
  [[nodiscard]] Result<Cell> start(const std::string& files, const std::string& directory) const;

 private:
  std::string command_;
  std::vector<std::string> words_;  // empty: a shell is needed
  std::chrono::milliseconds patience_{};
};

}  // namespace pagefold::crash
