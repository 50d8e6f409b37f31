// Leaving a start to the genuine loader: an unknown libc, AT_SECURE, auditing - whatever this loader does not do
// exactly. The genuine ld.so is mapped from its file, AT_BASE (or, started as a command, what the kernel says of the
// executed file) is pointed at it, and it is entered with the stack and registers that the kernel made. The program is
// never opened again by name, so /proc/self/exe and comm are right and nothing can be exchanged in between.
//
// Must come before the thread pointer is set and before the initial stack is changed. This loader's own image stays
// mapped, unused.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pagefold::ld::hand_over {

struct Region {
  uint64_t start, size;  // bytes, whole pages
};

struct Request {
  uint64_t* stack;          // as the kernel left it: argc lies here
  const char* reason;       // for people: "the program runs with privileges (AT_SECURE)"
  const char* interpreter;  // PT_INTERP of the program, or null
  const char* own_image;    // where this loader's ELF header lies
  bool as_command;          // `ld-pagefold.so prog args`: AT_PHDR and AT_ENTRY are this loader's
  const Region* mapped;     // what was mapped so far and must go
  size_t mapped_count;
};

// Without any genuine loader: a message and exit 127.
[[noreturn]] void hand_over(const Request& request);

// Why the environment or the auxiliary vector alone make this a start for the genuine loader; null: they do not.
const char* reason_at_start(const uint64_t* stack);

}  // namespace pagefold::ld::hand_over
