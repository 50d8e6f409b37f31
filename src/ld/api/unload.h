// dlclose: what nobody needs any more goes. Needed is whatever was opened and not closed, has running TLS destructors,
// must not be deleted, and all that these depend on, by linking or by a binding.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

// Removes modules with this serial number or a later one, whose constructors have not run.
void discard_since(uint64_t serial);

}  // namespace pagefold::ld
