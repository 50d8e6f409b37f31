// Where the tour's guests run: a directory of their own, removed at the end, and the means to run a program there,
// under Pagefold or natively, bounded in time, with all that it left.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "tour/guest.h"

namespace pagefold::tour {

class Workshop {
 public:
  // Makes the directory (under /var/tmp, which is no tmpfs: files there can be owned by Pagefold; else under /tmp).
  // pagefold: the command's own path; the programs lie in tour/ beside it or in ../libexec/pagefold/tour.
  // loader: whose dynamic loader the guests get, as `pagefold run --loader` takes it; empty: what that takes by itself.
  static Result<Workshop> open(const std::string& pagefold, const std::string& loader = {});
  Workshop(Workshop&& other) noexcept;
  Workshop& operator=(Workshop&&) = delete;
  ~Workshop();

  // Never fails as such: what could not be run has exit code 125 and says why in `errors`.
  GuestRun run(const Guest& guest);
  Result<void> write(const std::string& name, std::string_view content);
  Result<std::string> read(const std::string& name) const;

 private:
  Workshop(std::string pagefold, std::string loader, std::string programs, std::string directory);
  std::vector<std::string> command_for(const Guest& guest) const;
  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::string pagefold_, loader_, programs_, directory_;
};

// The running command's path, /proc/self/exe.
Result<std::string> own_path();

}  // namespace pagefold::tour
