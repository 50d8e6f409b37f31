#include "crash/trial.h"

#include <sys/stat.h>

namespace pagefold::crash {

std::string output_before(const Log& log, Position position) {
  std::string text;
  for (Position p = log.begin(); p < position && p < log.events().size(); ++p)
    if (log.events()[p].kind == EventKind::Output) text += log.events()[p].text;
  return text;
}

Result<Trial> Trial::create(const History& history, const Checker& checker, std::string target, std::string scratch) {
  if (::mkdir(scratch.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(scratch);
  return Trial(history, checker, std::move(target), std::move(scratch));
}

Result<Verdict> Trial::run(const Image& image, Position cut) {
  PAGEFOLD_CHECK(rebuild(*history_, image, files()));
  if (output_at_ != cut) {
    output_ = output_before(history_->log(), cut);
    output_at_ = cut;
  }
  return checker_->check(target_.empty() ? files() : files() + "/" + target_, output_, scratch_);
}

}  // namespace pagefold::crash
