// _dl_find_object: from a code address to its object, for the unwinder. It may be asked in a signal handler and while
// another thread opens a library, so it takes no lock: a sorted array in one of two copies, and a version number that
// tells a reader that the copy changed under its hands.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

struct Module;

// After start-up, after each dlopen, and before unloaded objects' memory goes.
void update_object_index();

// The object whose mapping holds the address, for callers that hold the load lock.
Module* module_at(uint64_t address);

}  // namespace pagefold::ld
