// Scopes: the search lists in which the names of one module are looked up, in order. Usually the global list (the
// program and everything loaded with it or with RTLD_GLOBAL), then the list of the object that was opened.
//
// Lazily bound calls look up without a lock. So a scope array or a search list is never changed where a reader may see
// it: a longer copy is made, the pointer is replaced, and the old one freed after `wait_for_lookups`, when every thread
// has been outside a lookup once (glibc's gscope flag in the thread block, the same protocol as libc's own).
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

inline constexpr int kDeepBind = 0x8;  // RTLD_DEEPBIND

// For a module just mapped.
void set_initial_scope(Module& module, int mode);

bool scope_has(const Module& module, const SearchList* list);
// Its place there; kWasInScope: nothing was changed.
inline constexpr uint32_t kWasInScope = ~uint32_t{0};
uint32_t add_to_scope(Module& module, SearchList* list);
// Replaces the array by one without the lists of removed modules.
void drop_removed_scopes(Module& module);

// RTLD_GLOBAL: appends those of the module's search list that are not global yet.
void add_to_global_scope(Module& module);
void drop_removed_from_global_scope();

// Around a lookup without the load lock.
void enter_lookup();
void leave_lookup();
void wait_for_lookups();

// Memory that readers may still see: freed by the next `wait_for_lookups`.
void release_later(void* piece, size_t size);

// More than one thread?
bool has_threads();

}  // namespace pagefold::ld
