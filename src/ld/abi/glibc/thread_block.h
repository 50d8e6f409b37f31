// The main thread's block (`struct pthread`, which begins with the TCB) and what the kernel must know of it, as ld.so's
// __tls_init_tp does it. The block lies above the static TLS, thread pointer at its start, and must be zero.
//
// rseq: its area is a member of struct pthread up to 2.40; since 2.41 the loader places it below the static TLS ("extra
// TLS").
#pragma once

#include "ld/abi/glibc/auxv.h"
#include "ld/abi/glibc/layout.h"
#include "ld/abi/glibc/tunables.h"

namespace pagefold::ld::glibc {

// Bytes to append to the static TLS after the last module's block, and their alignment; both 0 before 2.41. The offset
// of the area from the thread pointer is then -(used rounded up to `align`, plus `size`), which is also the new
// `_dl_tls_static_used`.
struct ExtraTls {
  uint64_t size, align;
};
ExtraTls extra_tls(const Build& build, const AuxEntry* auxv, const Tunables& tunables);

struct MainThread {
  char* block;               // the thread pointer
  const uint64_t* random;    // AT_RANDOM, 16 bytes
  void* stack_end;           // `__libc_stack_end`
  int64_t extra_tls_offset;  // of the rseq area from the block; 2.41 and later
  bool report_events;        // `__nptl_initial_report_events`
};

// Values of the exported `__rseq_size` and `__rseq_offset`. (`__rseq_flags` is 0.)
struct Rseq {
  uint32_t size;
  int64_t offset;
};

// Memory only: self pointers, guards, list of stacks (whose heads in `global` fill_rtld_global has made), robust list,
// first keys.
void fill_thread_block(const Build& build, void* global, const MainThread& thread);

// Tells the kernel: thread pointer, tid, robust list, rseq. False: the thread pointer could not be set.
using SystemCall = int64_t (*)(int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
bool register_thread(const Build& build, const AuxEntry* auxv, const Tunables& tunables, const MainThread& thread,
                     SystemCall call, Rseq& rseq);

}  // namespace pagefold::ld::glibc
