#include "ld/plt/plt.h"

#include "elf/hash.h"
#include "ld/api/errors.h"
#include "ld/base/out.h"
#include "ld/base/sys.h"
#include "ld/debug/debug.h"
#include "ld/module/published.h"
#include "ld/module/scope.h"
#include "ld/resolve/lookup.h"
#include "ld/start/process.h"

extern "C" {
// What the trampoline calls; the bound address.
__attribute__((visibility("hidden"))) uint64_t pagefold_ld_bind(pagefold::ld::LinkMap* map, uint64_t index);
__attribute__((visibility("hidden"))) void pagefold_ld_trampoline();
// Calls function(argument) with the extended state saved.
__attribute__((visibility("hidden"))) uint64_t pagefold_ld_call_saved(uint64_t (*function)(void*), void* argument);
__attribute__((visibility("hidden"))) uint64_t pagefold_ld_state_size = 0;  // bytes, multiple of 64; 0: FXSAVE
__attribute__((visibility("hidden"))) bool pagefold_ld_has_xsavec = false;  // else XSAVE
}

// On entry: (%rsp) the object, 8(%rsp) the slot's number, 16(%rsp) the return address of the call. All registers that
// may carry arguments are kept: rdi rsi rdx rcx r8 r9, rax (count of vector arguments), r10 (static chain).
asm(R"(
  .text
  .p2align 4
  .globl pagefold_ld_trampoline
  .hidden pagefold_ld_trampoline
  .type pagefold_ld_trampoline, @function
pagefold_ld_trampoline:
  .cfi_startproc
  .cfi_adjust_cfa_offset 16
.irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10
  pushq %\register
  .cfi_adjust_cfa_offset 8
.endr
  pushq %rbx
  .cfi_adjust_cfa_offset 8
  .cfi_offset %rbx, -96
  movq %rsp, %rbx
  .cfi_def_cfa_register %rbx
  movq 72(%rbx), %rdi
  movq 80(%rbx), %rsi
  andq $-16, %rsp
  call pagefold_ld_bind
  movq %rbx, %rsp
  .cfi_def_cfa_register %rsp
  movq %rax, %r11
  popq %rbx
  .cfi_adjust_cfa_offset -8
  .cfi_restore %rbx
.irp register, r10, r9, r8, rdi, rsi, rdx, rcx, rax
  popq %\register
  .cfi_adjust_cfa_offset -8
.endr
  addq $16, %rsp
  .cfi_adjust_cfa_offset -16
  jmp *%r11
  .cfi_endproc
  .size pagefold_ld_trampoline, .-pagefold_ld_trampoline

  .p2align 4
  .globl pagefold_ld_call_saved
  .hidden pagefold_ld_call_saved
  .type pagefold_ld_call_saved, @function
pagefold_ld_call_saved:
  .cfi_startproc
  pushq %rbp
  .cfi_adjust_cfa_offset 8
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  movq %rdi, %r8
  movq %rsi, %rdi
  movq pagefold_ld_state_size(%rip), %rcx
  testq %rcx, %rcx
  jz 1f
  subq %rcx, %rsp
  andq $-64, %rsp
  xorl %eax, %eax
.irp offset, 512, 520, 528, 536, 544, 552, 560, 568  # the header of the saved state
  movq %rax, \offset(%rsp)
.endr
  movl $0xee, %eax
  xorl %edx, %edx
  testb $1, pagefold_ld_has_xsavec(%rip)
  jz 2f
  xsavec (%rsp)
  jmp 3f
2:
  xsave (%rsp)
3:
  call *%r8
  movq %rax, %r8
  movl $0xee, %eax
  xorl %edx, %edx
  xrstor (%rsp)
  movq %r8, %rax
  leave
  .cfi_remember_state
  .cfi_def_cfa %rsp, 8
  ret
  .cfi_restore_state
1:
  subq $512, %rsp
  andq $-16, %rsp
  fxsave (%rsp)
  call *%r8
  fxrstor (%rsp)
  leave
  .cfi_def_cfa %rsp, 8
  ret
  .cfi_endproc
  .size pagefold_ld_call_saved, .-pagefold_ld_call_saved
)");

namespace pagefold::ld {
namespace {

struct Slot {
  Module* module;
  const Symbol* symbol;
  Wanted wanted;
  Found found;
};

uint64_t resolve_function(void* address) { return call_resolver(sys::word(address)); }

// The lookup with what needs libc: the dependency that keeps the definer loaded, or the error.
uint64_t look_up_fully(void* argument) {
  Slot& slot = *static_cast<Slot*>(argument);
  slot.wanted.flags = kAddDependency | (has_threads() ? kWithoutLock : 0);
  enter_lookup();
  const Status failure = look_up(slot.wanted, slot.module, slot.module->scope, nullptr, slot.found);
  leave_lookup();
  if (failure != nullptr) signal(failure);
  return 0;
}

// Found where it cannot be unloaded: nothing needs to be remembered.
bool look_up_simply(Slot& slot) {
  slot.wanted.flags = 0;
  enter_lookup();
  const Status failure = look_up(slot.wanted, slot.module, slot.module->scope, nullptr, slot.found);
  leave_lookup();
  const bool simple = failure == nullptr && (slot.found.module == nullptr || slot.found.module->type != Type::kLoaded);
  forget(failure);
  return simple;
}

void look_up_slot(Slot& slot) {
  const bool is_told = debug::mask != 0;  // then it is done once
  if (is_told || !look_up_simply(slot)) pagefold_ld_call_saved(look_up_fully, &slot);
}

}  // namespace

bool can_bind_lazily(const Module& module) {
  return module.view.plt_got != 0 && !module.view.plt_rela.empty() &&
         module.image().inside(module.view.plt_got, 24, PF_W) && module.view.plt_got % 8 == 0;
}

Status attach_plt(Module& module) {
  auto* got = reinterpret_cast<uint64_t*>(module.bias + module.view.plt_got);
  got[1] = sys::word(module.map());
  got[2] = reinterpret_cast<uint64_t>(&pagefold_ld_trampoline);
  return nullptr;
}

void start_lazy_binding() {
  const auto& layout = *world.layout;
  auto* features = static_cast<char*>(published::rtld_global_ro()) + layout.rtld_global_ro.dl_x86_cpu_features;
  pagefold_ld_state_size = at<uint64_t>(features, layout.cpu_features.xsave_state_size);
  // Haswell and Broadwell have XSAVE but no XSAVEC.
  constexpr uint32_t kLeafD1 = 3, kActive = 16, kXsavec = 1 << 1;
  const uint32_t leaf = layout.cpu_features.features + kLeafD1 * layout.cpuid_feature.size + kActive;
  pagefold_ld_has_xsavec = (at<uint32_t>(features, leaf) & kXsavec) != 0;
}

}  // namespace pagefold::ld

uint64_t pagefold_ld_bind(pagefold::ld::LinkMap* map, uint64_t index) {
  using namespace pagefold::ld;
  Module& module = *module_of(map);
  if (index >= module.view.plt_rela.count) fatal("PLT slot outside the relocations", display_name(module));
  const Rela& rela = module.view.plt_rela[index];
  const auto number = static_cast<uint32_t>(rela.r_info >> 32);
  if (number >= module.view.symbols.count) fatal("PLT slot of a symbol outside the symbol table", display_name(module));
  const Symbol& symbol = module.view.symbols[number];
  Slot slot{&module, &symbol, {}, {&symbol, &module}};
  const unsigned visibility = visibility_of(symbol);
  if (visibility == STV_DEFAULT || visibility == STV_PROTECTED) {
    const char* name = module.view.string(symbol.st_name);
    if (name == nullptr) fatal("PLT slot of a symbol without name", display_name(module));
    const Module* file = nullptr;
    const Version* version = version_of(module, number, &file);
    slot.wanted = {name, pagefold::elf::gnu_hash(name), version, file, &symbol, kPlt, 0};
    look_up_slot(slot);
  }
  uint64_t value = slot.found.address();
  if (slot.found.is_defined() && type_of(*slot.found.symbol) == STT_GNU_IFUNC)
    value = pagefold_ld_call_saved(resolve_function, reinterpret_cast<void*>(value));
  if (!process.bind_not) *reinterpret_cast<uint64_t*>(module.bias + rela.r_offset) = value;
  return value;
}
