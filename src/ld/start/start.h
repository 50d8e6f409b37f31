// The stages of a start, in order. What each may rely on stands at the head of start.cc.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

struct Entry {
  uint64_t program;   // in %rax
  uint64_t finisher;  // in %rdx: what the program registers with atexit
};

// `stack`: as the kernel left it. `base`: where this object lies.
Entry start(uint64_t* stack, uint64_t base);

}  // namespace pagefold::ld
