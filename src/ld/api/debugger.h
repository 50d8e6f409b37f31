// How gdb finds the libraries: _r_debug, which the program's DT_DEBUG points to, lists them, and _dl_debug_state is
// called, for a breakpoint, whenever the list is about to change or has changed.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

enum class ListState : uint32_t { kConsistent, kAdding, kRemoving };

// Before anything is relocated: makes DT_DEBUG point here.
void show_debugger(uint64_t loader_base);

// After relocation: a program may hold a copy of _r_debug.
void keep_debug_copy_current();

// Announces a new state, if it is one.
void tell_debugger(ListState state);

}  // namespace pagefold::ld
