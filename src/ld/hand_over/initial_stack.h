// The stack of a new program as the kernel makes it (x86-64 psABI 3.4.1): argc, argv, null, environment, null,
// auxiliary vector.
#pragma once

#include "ld/abi/glibc/auxv.h"

namespace pagefold::ld::hand_over {

struct InitialStack {
  uint64_t argc;
  char** argv;
  char** environment;
  glibc::AuxEntry* auxv;

  explicit InitialStack(uint64_t* start)
      : argc(*start), argv(reinterpret_cast<char**>(start + 1)), environment(argv + argc + 1) {
    char** end = environment;
    while (*end) end++;
    auxv = reinterpret_cast<glibc::AuxEntry*>(end + 1);
  }

  const char* environment_value(const char* name) const {
    for (char** variable = environment; *variable; variable++) {
      const char *a = *variable, *b = name;
      while (*b && *a == *b) a++, b++;
      if (!*b && *a == '=') return a + 1;
    }
    return nullptr;
  }
};

}  // namespace pagefold::ld::hand_over
