// The rights of a guest's thread, as far as the supervisor must put its own down to act in its place (base/rights.h).
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/rights.h"

namespace pagefold::kernel {

// Of a thread that waits for its system call. nullopt: they are the supervisor's, or more, or the thread is gone. As
// long as capabilities and user namespace are the same, no other difference counts.
std::optional<Rights> rights_to_act_with(pid_t thread);

// A guest is about to make a user namespace, or to enter one. Until then none has another than the supervisor, and nobody
// need ask.
void expect_user_namespaces();

}  // namespace pagefold::kernel
