// Static TLS: the area below each thread's block. Start-up gives every module of the program a place in it; a surplus
// is left for modules that dlopen brings and whose code (initial-exec) needs a fixed distance from the thread pointer.
// The offsets are glibc's, to the byte.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// Start-up: offsets for all modules on the list. `extra_size`, `extra_align`: what libc wants appended (rseq
// since 2.41); returns the used size in front of it.
void lay_out_static_tls(uint64_t extra_size, uint64_t extra_align, uint64_t surplus, uint64_t optional);

// A relocation in `referrer` needs the definer's TLS at a fixed offset.
Status need_static_tls(const Module& referrer, Module& definer);
// The same where a dynamic access would do as well.
bool try_static_tls(Module& module, bool optional);
// Gives back what an unloaded module had, if it lies at the end.
void return_static_tls(uint64_t offset, uint64_t size);

// After relocation, in all running threads.
void initialise_static_tls(const Module& module);

void copy_tls_image(const Module& module, char* block);
void set_tls_offset(Module& module, int64_t offset);

}  // namespace pagefold::ld
