// The data that the loader exports to libc, libm and debuggers under glibc's private names. Their insides are reached
// through the layout table; here are only the pieces of memory. Defined in api/exports.cc.
#pragma once

#include <stdint.h>

namespace pagefold::ld::published {

inline constexpr unsigned kGlobalSize = 4352;    // as the largest _rtld_global of the known builds, or more
inline constexpr unsigned kReadOnlySize = 1024;  // likewise _rtld_global_ro

}  // namespace pagefold::ld::published

extern "C" {
extern char _rtld_global[pagefold::ld::published::kGlobalSize];
extern char _rtld_global_ro[pagefold::ld::published::kReadOnlySize];
extern void* __libc_stack_end;
extern int __libc_enable_secure;
extern char** _dl_argv;
extern uint32_t __rseq_size, __rseq_flags;
extern int64_t __rseq_offset;
}

namespace pagefold::ld::published {

inline void* rtld_global() { return _rtld_global; }
inline void* rtld_global_ro() { return _rtld_global_ro; }

}  // namespace pagefold::ld::published
