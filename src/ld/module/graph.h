// Who needs whom. `load_dependencies` walks breadth first from a module (and the preloaded ones), loads what is
// missing, and leaves in `root`: its search list (breadth first, the order of lookups) and initfini (dependencies
// before dependents, the order of constructors, reversed). Every module met gets its own list of direct dependencies.
//
// The sort is the one glibc uses since 2.35 (rtld.dynamic_sort=2): depth first, from the last object to the first.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

Status load_dependencies(Module& root, Module* const* preloads, uint32_t preload_count, int mode);

// Sorts so that dependents come before what they depend on. `for_fini` also follows dependencies that only bindings
// made: if there are any, the first stays only since glibc 2.39.
void sort_modules(LinkMap** modules, uint32_t count, bool first_stays, bool for_fini);

}  // namespace pagefold::ld
