// STB_GNU_UNIQUE: of all definitions of such a name the first one bound is the definition, for the whole process and
// for good.
#pragma once

#include "ld/resolve/lookup.h"

namespace pagefold::ld {

// `found` is the definition the search met; returns the one that counts, and keeps its module from being unloaded.
Found unique_definition(const Wanted& wanted, Module* referrer, const Found& found);

}  // namespace pagefold::ld
