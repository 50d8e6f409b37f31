// Constructors and destructors. Constructors run dependencies first; destructors in an order that is sorted anew
// (glibc's _dl_fini and _dl_close). The program's own constructors are run by its start code, not here.
#pragma once

#include "ld/module/module.h"

namespace pagefold::ld {

// The pre-constructors of the program, then every constructor due in main's list.
void initialise_program();

// Those of `root` and what it depends on.
void initialise(Module& root);

void call_destructors(Module& module);

// All loaded objects, dependents first; since glibc 2.39 `closed` before all others, if it is given. The list is the
// caller's.
List<Module*> in_destructor_order(Module* closed);

// At exit: all that ever ran. The program registers it with atexit.
void finish_program();

// An object marked DF_1_INITFIRST comes before all others.
void wants_first(Module& module);
void forget_first(const Module& module);  // it is unloaded

}  // namespace pagefold::ld
