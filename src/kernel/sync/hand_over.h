// Files that get a writer go back to the host (hand_over.cc).
#pragma once

#include "kernel/listener.h"
#include "kernel/sync/host_plan.h"

namespace pagefold::kernel {

// The first half of it, for a space that has no agent yet: the operations after which the host maps the files. The model is changed
// at once. Private mappings that may hold copies are left alone. Space::mutex held.
std::vector<HostOp> hand_over_shared(Space& space);

// The host maps every file of the space that was given up (FileObject::given_up). Space::mutex held.
Result<void> give_back(Space& space, const Listener& listener);

}  // namespace pagefold::kernel
