// A loader that does nothing but hand over: as PT_INTERP, or as a command. Freestanding, linked like ld-pagefold.so.
#include "ld/hand_over/hand_over.h"

#include <elf.h>

#include "ld/hand_over/initial_stack.h"

using namespace pagefold::ld;

extern "C" {
__attribute__((visibility("hidden"))) extern const Elf64_Ehdr __ehdr_start;
__attribute__((visibility("hidden"))) void _start();

int memcmp(const void* a, const void* b, size_t size) {
  const auto *p = static_cast<const unsigned char*>(a), *q = static_cast<const unsigned char*>(b);
  for (size_t i = 0; i < size; i++)
    if (p[i] != q[i]) return p[i] - q[i];
  return 0;
}
size_t strlen(const char* s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}

__attribute__((used, visibility("hidden"))) void begin(uint64_t* stack) {
  const hand_over::InitialStack initial(stack);
  const auto* image = reinterpret_cast<const char*>(&__ehdr_start);
  const bool as_command = glibc::aux_value(initial.auxv, glibc::kAuxEntry) == reinterpret_cast<uint64_t>(&_start);
  const char* reason = hand_over::reason_at_start(stack);
  hand_over::hand_over({stack, reason ? reason : "the test wants it", nullptr, image, as_command, nullptr, 0});
}
}

asm(".globl _start\n.hidden _start\n.type _start, @function\n_start:\n\tmov %rsp, %rdi\n\tcall begin\n");
