// Thread-local storage, the bookkeeping. Each module with TLS has a number (from 1). Each thread has a vector, the dtv,
// from module numbers to blocks: dtv[-1] its capacity, dtv[0] the generation it is up to date with, dtv[n] the block of
// module n, which lies in the thread's static area or is allocated when first touched. dlopen and dlclose make a new
// generation; a thread catches up when it next asks for an address. Formats are glibc's: libc, gdb and libthread_db
// read them.
//
// Slots change under the TLS lock; threads read them without: a slot's generation is stored last.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

union Dtv {
  uint64_t counter;
  struct {
    void* block;
    void* to_free;  // from malloc, or null
  } pointer;
};
static_assert(sizeof(Dtv) == 16);

inline void* const kUnallocated = reinterpret_cast<void*>(~uint64_t{0});

struct TlsIndex {
  uint64_t module, offset;
};

// Gives the module a number and a slot. At start-up (generation 0) or during dlopen, when `publish_tls_generation`
// makes it visible.
void add_tls_module(Module& module);
void remove_tls_module(Module& module);
void publish_tls_generation();

uint64_t tls_generation();
// The generation in which the module became known (or will).
uint64_t generation_of(const Module& module);
Module* tls_module(uint64_t number);
uint64_t highest_tls_module();

// The block of a module in this thread, allocated if need be; `catch_up` brings the dtv up to date first.
void* tls_address(const TlsIndex& index);

// For a thread about to be made, and one that is gone.
Dtv* make_dtv();
void* initialise_thread_tls(char* thread);
void free_thread_tls(char* thread, bool free_block);
void* allocate_thread_block();

// The block of this module in this thread if it exists already.
void* existing_block(const Module& module);

}  // namespace pagefold::ld
