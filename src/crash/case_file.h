// A case on the disk: a small JSON file beside its log. `pagefold replay` shows it again.
#pragma once

#include <string>
#include <vector>

#include "crash/minimise.h"

namespace pagefold::crash {

struct CaseFile {
  std::string log;      // file name of the log, in the same directory
  std::string command;  // the check
  std::string target;   // see Trial
  Model model = Model::Posix;
  Bytes grain = kPageSize;
  Position cut = 0;
  std::vector<AtomNumber> reached;  // the open atoms that are on the disk
  MinimalCase::Form form = MinimalCase::Form::Missing;
};

std::string to_json(const CaseFile& file);
// EBADMSG: no case file, or one of another version.
Result<CaseFile> case_from_json(const std::string& text);

std::vector<AtomNumber> reached_atoms(const Cut& cut, const Chosen& chosen);
// EBADMSG: the atoms are not the cut's.
Result<Chosen> chosen_atoms(const Cut& cut, const std::vector<AtomNumber>& reached);

}  // namespace pagefold::crash
