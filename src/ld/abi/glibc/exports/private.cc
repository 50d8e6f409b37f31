// Exports of version GLIBC_PRIVATE that need no more than the layout and the tunables.
#include "ld/abi/glibc/exports/private.h"

#include <asm/unistd.h>

#include "ld/abi/glibc/exports/export.h"

namespace pagefold::ld::glibc {

Tunables tunables;
const Build* the_build;

}  // namespace pagefold::ld::glibc

using namespace pagefold::ld::glibc;

PAGEFOLD_EXPORT void __tunable_get_val(uint32_t id, void* value, Tunables::Callback callback) {
  tunables.get(id, value, callback);
}

// Since 2.39.
PAGEFOLD_EXPORT bool __tunable_is_initialized(uint32_t id) { return tunables.is_set(id); }

// Up to 2.40: makes a thread's stack executable, after the loader met a library that wants it. An errno.
PAGEFOLD_EXPORT int __nptl_change_stack_perm(char* thread) {
  constexpr uint64_t kReadWriteExecute = 7;
  const auto& at = the_build->layout.pthread;
  uint64_t block, size, guard;
  __builtin_memcpy(&block, thread + at.stackblock, 8);
  __builtin_memcpy(&size, thread + at.stackblock_size, 8);
  __builtin_memcpy(&guard, thread + at.guardsize, 8);
  int64_t result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(__NR_mprotect), "D"(block + guard), "S"(size - guard), "d"(kReadWriteExecute)
               : "rcx", "r11", "memory");
  return static_cast<int>(-result);
}

// Without audit modules there is nothing to tell anybody.
PAGEFOLD_EXPORT void _dl_audit_preinit(void*) {}
PAGEFOLD_EXPORT void _dl_audit_symbind_alt(void*, const void*, void**, void*) {}

// Profiling (LD_PROFILE) is the genuine loader's.
PAGEFOLD_EXPORT void _dl_mcount(uint64_t, uint64_t) {}

// Only gives the version node GLIBC_2.34 a member.
PAGEFOLD_EXPORT void __rtld_version_placeholder() {}
