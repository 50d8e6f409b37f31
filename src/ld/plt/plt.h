// Lazy binding. A PLT slot first leads back into the object's own PLT, which pushes the slot's number and jumps to the
// loader; the loader binds the name, stores the address in the slot, and goes there. Later calls are direct.
//
// The loader itself is compiled for general registers only, so the arguments in vector registers survive a plain
// binding untouched. Where foreign code must run on the way (an IFUNC resolver, libc's mutex) they are saved with
// XSAVEC or, on older processors, FXSAVE around it.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// Does the object have what lazy binding needs: a GOT with room for the loader's two words?
bool can_bind_lazily(const Module& module);

// Writes those two words: the object, and where to go.
Status attach_plt(Module& module);

// Runs an IFUNC resolver.
inline uint64_t call_resolver(uint64_t address) { return reinterpret_cast<uint64_t (*)()>(address)(); }

// Chooses the way to save registers. Reads what cpu_features found; no CPUID of its own unless that is not enough.
void start_lazy_binding();

}  // namespace pagefold::ld
