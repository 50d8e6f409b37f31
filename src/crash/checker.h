// The user's command that says whether files are sound: exit code 0 if they are. `{}` in it stands for the path of the files.
// It runs as `sh -c` would run it, or directly where it is plain words; its standard input is empty; what it prints is kept.
//
// PAGEFOLD_CRASH_OUTPUT in its environment names a file with what the program had told (its standard output) when the power
// was cut: what it acknowledged must be there.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"

namespace pagefold::crash {

struct Verdict {
  enum class Kind { Sound, Broken, TimedOut, NotRun };
  Kind kind = Kind::Sound;
  int exit_code = 0;  // Broken, NotRun: as a shell gives it
  std::string said;   // the end of what it printed

  [[nodiscard]] bool violates() const { return kind == Kind::Broken || kind == Kind::TimedOut; }
};

class Checker {
 public:
  // Errors: EINVAL, an empty command.
  static Result<Checker> create(const std::string& command, std::chrono::milliseconds patience);

  // files: what {} stands for. scratch: a directory for what the command prints and is told.
  Result<Verdict> check(const std::string& files, const std::string& output, const std::string& scratch) const;

 private:
  std::string command_;
  std::vector<std::string> words_;  // empty: a shell is needed
  std::chrono::milliseconds patience_{};
};

}  // namespace pagefold::crash
