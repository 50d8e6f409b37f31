// How the stub makes system calls, knows sets of them, and finds the shared area. Freestanding.
#pragma once

#include <asm/unistd.h>

#include "stub/protocol.h"

namespace pagefold::stub {

inline Area* area() { return reinterpret_cast<Area*>(kAreaBase); }

inline int64_t call(uint64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0, uint64_t f = 0) {
  int64_t result;
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

// Call numbers, as the assembly asks for them (bt).
struct CallSet {
  uint64_t words[kCallNumbers / 64];
};

template <unsigned long N>
constexpr CallSet set_of(const uint32_t (&numbers)[N]) {
  CallSet set{};
  for (const uint32_t number : numbers) set.words[number / 64] |= uint64_t{1} << (number % 64);
  return set;
}

}  // namespace pagefold::stub
