// State behind the small exports (private.cc): set by the start stage before libc is relocated.
#pragma once

#include "ld/abi/glibc/layout.h"
#include "ld/abi/glibc/tunables.h"

namespace pagefold::ld::glibc {

extern Tunables tunables;       // read once at start
extern const Build* the_build;  // of the libc in this process

}  // namespace pagefold::ld::glibc
