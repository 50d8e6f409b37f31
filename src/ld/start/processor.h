// What this processor can do, asked once (CPUID traps in virtual machines), by the rules of the chosen libc.
#pragma once

#include "ld/abi/glibc/cpu_features.h"

namespace pagefold::ld {

const glibc::CpuFeatures& processor();
// False: not known exactly; hand over.
bool processor_is_known();

// What $PLATFORM stands for; may be null.
const char* platform_name();

}  // namespace pagefold::ld
