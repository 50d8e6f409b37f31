// /etc/ld.so.cache: ldconfig's table from sonames to paths. Mapped when first asked, unmapped when the loading is done
// (the file may be replaced at any time). Every offset in it is checked.
#pragma once

namespace pagefold::ld {

// The path for `name` that suits this processor best, or null. Points into the cache: copy it before `close_cache`.
const char* look_up_cache(const char* name);

void close_cache();

}  // namespace pagefold::ld
