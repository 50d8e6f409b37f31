// One state put to the test: its files are rebuilt in a directory of the trial's own and the checker looks at them.
#pragma once

#include <optional>
#include <string>

#include "crash/checker.h"
#include "crash/cut.h"
#include "crash/image.h"

namespace pagefold::crash {

// What the program had told before the position.
std::string output_before(const Log& log, Position position);

class Trial {
 public:
  // target: the file that {} means, below the recorded directory; empty: the directory. scratch: made if missing.
  static Result<Trial> create(const History& history, const Checker& checker, std::string target, std::string scratch);

  Result<Verdict> run(const Image& image, Position cut);
  Result<Verdict> run(const Cut& cut, const Chosen& chosen) { return run(image_of(*history_, cut.values(chosen)), cut.position()); }
  // No file at all is left.
  [[nodiscard]] bool leaves_nothing(const Cut& cut, const Chosen& chosen) const { return image_of(*history_, cut.values(chosen)).empty(); }
  // Where the files are.
  [[nodiscard]] std::string files() const { return scratch_ + "/files"; }

 private:
  Trial(const History& history, const Checker& checker, std::string target, std::string scratch)
      : history_(&history), checker_(&checker), target_(std::move(target)), scratch_(std::move(scratch)) {}

  const History* history_;
  const Checker* checker_;
  std::string target_, scratch_;
  Position output_at_ = kNever;
  std::string output_;
};

}  // namespace pagefold::crash
