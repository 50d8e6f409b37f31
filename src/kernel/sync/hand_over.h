// Files that get a writer go back to the host (hand_over.cc).
#pragma once

#include "kernel/listener.h"
#include "kernel/space.h"

namespace pagefold::kernel {

// The host maps every file of the space that was given up (FileObject::given_up). Space::mutex held.
Result<void> give_back(Space& space, const Listener& listener);

}  // namespace pagefold::kernel
