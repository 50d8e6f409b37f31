#include "crash/trial.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "crash/rebuild.h"

namespace pagefold::crash {
namespace {

// With less, a check that writes anything is likely to fail for that reason alone.
constexpr Bytes kLeastRoom = Bytes{256} << 10;

tl::unexpected<Error> no_room(const std::string& directory) {
  return fail(ENOSPC, fmt::format("rebuild files in {} (--scratch names another directory)", directory));
}

bool is_full(const std::string& directory) {
  struct statvfs place {};
  return ::statvfs(directory.c_str(), &place) == 0 && place.f_blocks != 0 &&
         place.f_bavail * place.f_frsize < kLeastRoom;
}

}  // namespace

std::string output_before(const Log& log, Position position) {
  std::string text;
  for (Position p = log.begin(); p < position && p < log.events().size(); ++p)
    if (log.events()[p].kind == EventKind::Output) text += log.events()[p].text;
  return text;
}

Result<Trial> Trial::create(const History& history, const Checker& checker, std::string target, std::string scratch) {
  if (::mkdir(scratch.c_str(), 0700) != 0 && errno != EEXIST) return fail_errno(scratch);
  const std::string files = files_below(scratch);
  Cell cell = PAGEFOLD_TRY(checker.start(target.empty() ? files : files + "/" + target, scratch));
  return Trial(history, std::move(scratch), std::move(cell));
}

Result<Verdict> Trial::run(const Image& image, Position cut) {
  if (auto done = rebuild(*history_, image, files()); !done) {
    if (done.error().code == ENOSPC) return no_room(scratch_);
    return tl::unexpected(std::move(done).error());
  }
  if (output_at_ != cut) {
    output_ = output_before(history_->log(), cut);
    output_at_ = cut;
  }
  auto verdict = cell_.check(output_);
  if (verdict ? verdict->violates() && is_full(scratch_) : verdict.error().code == ENOSPC) return no_room(scratch_);
  return verdict;
}

}  // namespace pagefold::crash
