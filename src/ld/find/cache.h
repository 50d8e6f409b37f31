// /etc/ld.so.cache: ldconfig's table from sonames to paths. Opened when first asked; read in pieces for the first few names, mapped for
// more; closed when the loading is done (the file may be replaced at any time). Every offset in it is checked.
#pragma once

namespace pagefold::ld {

// The path for `name` that suits this processor best, or null. Copy it before the next call.
const char* look_up_cache(const char* name);

void close_cache();

}  // namespace pagefold::ld
