#include "ld/tls/tlsdesc.h"

#include "ld/base/sys.h"
#include "ld/tls/dtv.h"
#include "ld/tls/static_tls.h"

extern "C" {
__attribute__((visibility("hidden"))) void pagefold_ld_tls_static();
__attribute__((visibility("hidden"))) void pagefold_ld_tls_undefined();
__attribute__((visibility("hidden"))) void pagefold_ld_tls_dynamic();
__attribute__((visibility("hidden"))) uint64_t pagefold_ld_tls_slow(void* index);
}

// The argument of a dynamic descriptor: TlsIndex (module, offset), then the generation in which the module became
// known. If the thread's dtv is that young and the block is there, nothing is called.
asm(R"(
  .text
  .p2align 4
  .globl pagefold_ld_tls_static
  .hidden pagefold_ld_tls_static
  .type pagefold_ld_tls_static, @function
pagefold_ld_tls_static:
  .cfi_startproc
  movq 8(%rax), %rax
  ret
  .cfi_endproc
  .size pagefold_ld_tls_static, .-pagefold_ld_tls_static

  .p2align 4
  .globl pagefold_ld_tls_undefined
  .hidden pagefold_ld_tls_undefined
  .type pagefold_ld_tls_undefined, @function
pagefold_ld_tls_undefined:
  .cfi_startproc
  movq 8(%rax), %rax
  subq %fs:0, %rax
  ret
  .cfi_endproc
  .size pagefold_ld_tls_undefined, .-pagefold_ld_tls_undefined

  .p2align 4
  .globl pagefold_ld_tls_dynamic
  .hidden pagefold_ld_tls_dynamic
  .type pagefold_ld_tls_dynamic, @function
pagefold_ld_tls_dynamic:
  .cfi_startproc
  movq %rsi, -16(%rsp)
  movq %fs:8, %rsi
  movq %rdi, -8(%rsp)
  movq 8(%rax), %rdi
  movq (%rsi), %rax
  cmpq %rax, 16(%rdi)
  ja 2f
  movq (%rdi), %rax
  salq $4, %rax
  movq (%rsi,%rax), %rax
  cmpq $-1, %rax
  je 2f
  addq 8(%rdi), %rax
1:
  movq -16(%rsp), %rsi
  subq %fs:0, %rax
  movq -8(%rsp), %rdi
  ret
2:
  subq $24, %rsp  # below rdi and rsi, and so that the stack is aligned
  .cfi_adjust_cfa_offset 24
.irp register, rdx, rcx, r8, r9, r10, r11
  pushq %\register
  .cfi_adjust_cfa_offset 8
.endr
  movq %rdi, %rsi
  leaq pagefold_ld_tls_slow(%rip), %rdi
  call pagefold_ld_call_saved
.irp register, r11, r10, r9, r8, rcx, rdx
  popq %\register
  .cfi_adjust_cfa_offset -8
.endr
  addq $24, %rsp
  .cfi_adjust_cfa_offset -24
  jmp 1b
  .cfi_endproc
  .size pagefold_ld_tls_dynamic, .-pagefold_ld_tls_dynamic
)");

uint64_t pagefold_ld_tls_slow(void* index) {
  return pagefold::ld::sys::word(pagefold::ld::tls_address(*static_cast<const pagefold::ld::TlsIndex*>(index)));
}

namespace pagefold::ld {
namespace {

struct DynamicArgument {
  TlsIndex index;
  uint64_t generation;
};
static_assert(sizeof(DynamicArgument) == 24);

}  // namespace

Status make_tls_descriptor(Module& owner, TlsDescriptor* at, Module* definer, uint64_t offset) {
  if (definer == nullptr) {
    *at = {reinterpret_cast<uint64_t>(&pagefold_ld_tls_undefined), offset};
    return nullptr;
  }
  if (try_static_tls(*definer, true)) {
    *at = {reinterpret_cast<uint64_t>(&pagefold_ld_tls_static), offset - static_cast<uint64_t>(definer->tls_offset)};
    return nullptr;
  }
  auto* argument = make_array<DynamicArgument>(1);
  *argument = {{definer->tls_module, offset}, generation_of(*definer)};
  owner.tls_arguments.push(argument);
  *at = {reinterpret_cast<uint64_t>(&pagefold_ld_tls_dynamic), sys::word(argument)};
  return nullptr;
}

}  // namespace pagefold::ld
