// Which files are recorded, and what {} means in the check command.
//
//   data.db        one file; {} is the file
//   store          a directory that exists (or store/): all below it; {} is the directory
//   store/*.log    the names in store/ that match (glob(7)); {} is the directory store
#pragma once

#include <string>

#include "base/error.h"

namespace pagefold::crash {

struct Selection {
  std::string directory;  // absolute; exists
  std::string pattern;    // of names in it; empty: everything below
  std::string target;     // the one file; empty: the directory

  // Errors: those of finding the directory.
  static Result<Selection> parse(const std::string& pattern);

  [[nodiscard]] bool enters_directories() const { return pattern.empty(); }
  [[nodiscard]] bool matches(const std::string& name) const;
};

}  // namespace pagefold::crash
