// Relocation: an object's words are made to fit where it, and what it refers to, lies in memory. Relative ones first
// (no names), then symbols, then IFUNC resolvers, which may already call into the object itself. Every place to be
// written must lie in a writable segment of the object (or, while its text is relocated, in any); anything else is a
// failure. Source: psABI x86-64, table "Relocation Types".
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// Whether IFUNC resolvers, which are foreign code, are called. A trace leaves their addresses in place of what they
// would choose.
enum class Resolvers { kCalled, kLeft };

// Does nothing if it is done already. `lazy`: calls through the PLT are bound when first made, unless the object
// forbids it.
Status relocate(Module& module, bool lazy, Resolvers resolvers = Resolvers::kCalled);

// One PLT slot, for the lazy path: the bound address. `found` as the lookup left it.
uint64_t symbol_value(const Symbol* symbol, const Module* module);

}  // namespace pagefold::ld
