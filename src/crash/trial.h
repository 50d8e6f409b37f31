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
  // target: the file that {} means, below the recorded directory; empty: the directory. scratch: made if missing, gone
  // with the trial.
  static Result<Trial> create(const History& history, const Checker& checker, std::string target, std::string scratch);

  // ENOSPC: there is no room for the files; or so little that the check may have failed for want of it.
  Result<Verdict> run(const Image& image, Position cut);
  Result<Verdict> run(const Cut& cut, const Chosen& chosen) {
    return run(image_of(*history_, cut.values(chosen)), cut.position());
  }
  // No file at all is left.
  [[nodiscard]] bool leaves_nothing(const Cut& cut, const Chosen& chosen) const {
    return image_of(*history_, cut.values(chosen)).empty();
  }
  // Where the files are.
  [[nodiscard]] std::string files() const { return files_below(scratch_); }

 private:
  Trial(const History& history, std::string scratch, Cell cell)
      : history_(&history), scratch_(std::move(scratch)), cell_(std::move(cell)) {}
  static std::string files_below(const std::string& scratch) { return scratch + "/files"; }

  const History* history_;
  std::string scratch_;
  Cell cell_;
  Position output_at_ = kNever;
  std::string output_;
};

}  // namespace pagefold::crash
