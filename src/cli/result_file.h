// A file that is written once, at the end of a run that may take hours. That it can be created is checked before the
// run; nothing lies about during the run (the check removes what it creates), so a killed run leaves nothing behind;
// and the file appears whole or not at all: written beside its place, then renamed.
//
// What exists and is no regular file (/dev/stdout, a pipe) is opened at the check and written to directly; "-" is
// standard output.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace pagefold::cli {

class ResultFile {
 public:
  // The errors are those of open(2), EISDIR among them; the context names the path as given.
  static Result<ResultFile> prepare(const std::string& path);

  Result<void> write(std::string_view text);

 private:
  explicit ResultFile(std::string shown) : shown_(std::move(shown)) {}

  [[nodiscard]] Result<UniqueFd> create_beside() const;
  Result<void> replace(std::string_view text);

  std::string shown_;   // as the user wrote it
  std::string target_;  // absolute, symbolic links resolved; empty when direct_ is used
  std::string temporary_;
  UniqueFd direct_;
};

}  // namespace pagefold::cli
