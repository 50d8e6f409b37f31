// LD_PRELOAD, --preload and /etc/ld.so.preload: objects that come right after the program in the search order. One that
// cannot be loaded is reported and left out.
#pragma once

#include "ld/module/module.h"

namespace pagefold::ld {

void load_preloads(List<Module*>& loaded);

}  // namespace pagefold::ld
