// Symbol versions: each module's requirements are checked against what the named files define, and its table from
// version numbers to names is built, once, before anything is bound. Texts are glibc's (elf/dl-version.c).
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// `report` is called with each missing version; without it the first one is the result. `verbose` also reports files
// that have no versions at all.
struct VersionProblems {
  void (*report)(const char* object, const char* text) = nullptr;
  unsigned missing = 0;
};
Status check_versions(Module& module, bool verbose, bool trace, VersionProblems& problems);

}  // namespace pagefold::ld
