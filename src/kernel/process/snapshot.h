// A fork's child as a model: a Space that inherits everything from its parent, without a page copied (vm/layer.h). From then on stores
// to the parent's pages are seen, so that the child gets the old contents first.
#pragma once

#include "kernel/supervisor.h"

namespace pagefold::kernel {

// alone: no other thread stores into the parent meanwhile. Space::mutex of the parent held.
//
// Stores of other threads go on meanwhile, and the child must not see a later one without an earlier one: lists would be torn. So
// no page may be copied before all are guarded; a store then waits for the mutex.
Result<SpaceRef> snapshot(Supervisor& supervisor, Space& parent, vm::Layer::Hot hot, bool alone);

}  // namespace pagefold::kernel
