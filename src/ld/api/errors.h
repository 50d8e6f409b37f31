// Failures leave the loader through libc's _dl_signal_exception, which jumps to whoever called dlopen, dlsym or dlclose
// (dlerror's texts are made there); without such a caller, and before libc is ready, they end the process as glibc
// does.
#pragma once

#include "ld/base/status.h"

namespace pagefold::ld {

// Finds libc's functions. Called once, when libc is relocated.
void start_signalling();

// Takes the failure over. No lock may be held.
[[noreturn]] void signal(Status failure);

}  // namespace pagefold::ld
