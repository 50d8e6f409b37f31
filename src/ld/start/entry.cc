// Where the kernel jumps to. The first function relocates this object (relative relocations only; the build fails on
// others) and may call nothing that needs a relocated word; everything else begins in start.cc.
#include <elf.h>
#include <stdint.h>

#include "ld/start/start.h"

extern "C" {
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
extern const Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"))) pagefold::ld::Entry pagefold_ld_start(uint64_t* stack);
}

// The kernel's stack pointer goes in; program entry (rax) and the destructor function (rdx) come out.
asm(R"(
  .text
  .globl _start
  .hidden _start
  .type _start, @function
_start:
  .cfi_startproc
  .cfi_undefined %rip
  movq %rsp, %rdi
  movq %rsp, %rbx
  andq $-16, %rsp
  call pagefold_ld_start
  movq %rbx, %rsp
  xorl %ebp, %ebp
  jmp *%rax
  .cfi_endproc
  .size _start, .-_start
)");

namespace {

inline __attribute__((always_inline)) void relocate_self(uint64_t bias) {
  uint64_t table = 0, size = 0;
  for (const Elf64_Dyn* entry = _DYNAMIC; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_RELA) table = entry->d_un.d_ptr;
    if (entry->d_tag == DT_RELASZ) size = entry->d_un.d_val;
  }
  const auto* rela = reinterpret_cast<const Elf64_Rela*>(bias + table);
  for (uint64_t i = 0; i < size / sizeof(Elf64_Rela); ++i)
    *reinterpret_cast<uint64_t*>(bias + rela[i].r_offset) = bias + static_cast<uint64_t>(rela[i].r_addend);
}

}  // namespace

pagefold::ld::Entry pagefold_ld_start(uint64_t* stack) {
  const auto bias = reinterpret_cast<uint64_t>(&__ehdr_start);
  relocate_self(bias);
  return pagefold::ld::start(stack, bias);
}
