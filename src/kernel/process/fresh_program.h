// The model of a freshly exec'ed process, read from what the host has mapped for it.
#pragma once

#include "kernel/supervisor.h"

namespace pagefold::kernel {

struct FreshProgram {
  SpaceRef space;
  VirtAddr entry = 0;  // where it starts, if not where the host put it: in Pagefold's own loader
};

// ENOEXEC: the program wants addresses that Pagefold keeps for itself.
Result<FreshProgram> fresh_program(Supervisor& supervisor, pid_t pid, VirtAddr stack_pointer);

}  // namespace pagefold::kernel
