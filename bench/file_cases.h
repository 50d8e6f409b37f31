// The cases of `make bench` about files: programs that read and write many (natively against the default state, with a
// bar, and against --own-files, without), and msync under --own-files.
#pragma once

#include <vector>

#include "bench/cases.h"

namespace pagefold::bench {

void add_file_cases(std::vector<Case>& cases, const std::string& programs);

// What those cases work on: a source tree, a repository, SQL.
Result<void> write_file_sources(const std::string& directory);

}  // namespace pagefold::bench
