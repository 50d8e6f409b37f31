// The plain values of `_rtld_global` and `_rtld_global_ro`: what glibc's ld.so initialises statically, takes from the
// auxiliary vector or derives from processor and tunables. Not here: objects, TLS, the vDSO, function pointers - those
// are the loader's own doing.
#pragma once

#include "ld/abi/glibc/auxv.h"
#include "ld/abi/glibc/cpu_features.h"
#include "ld/abi/glibc/layout.h"
#include "ld/abi/glibc/tunables.h"

namespace pagefold::ld::glibc {

// Both structures must be zero. `cpu` must live as long as `ro`, which points to its platform string.
void fill_rtld_global_ro(void* ro, const Build& build, AuxEntry* auxv, const CpuFeatures& cpu,
                         const Tunables& tunables);
void fill_rtld_global(void* global, const Build& build);

}  // namespace pagefold::ld::glibc
