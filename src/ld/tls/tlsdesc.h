// TLS descriptors: two words, a function and its argument. The function is called with the descriptor in %rax, returns
// the variable's distance from the thread pointer there, and touches no other register. Source: "Thread-Local Storage
// Descriptors for IA32 and AMD64/EM64T".
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

struct TlsDescriptor {
  uint64_t function;
  uint64_t argument;
};

// `definer` null: an undefined weak symbol, whose address is `offset`.
Status make_tls_descriptor(Module& owner, TlsDescriptor* at, Module* definer, uint64_t offset);

}  // namespace pagefold::ld
