// Executable stacks: a library that does not say it can live without one gets it, for every thread, as from glibc.
#pragma once

#include "ld/base/status.h"

namespace pagefold::ld {

struct Module;

// Makes stacks executable if `module` asks for it and they are not.
Status allow_stack(const Module& module, const char* name);

}  // namespace pagefold::ld
