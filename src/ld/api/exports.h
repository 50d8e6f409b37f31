// Puts the loader's functions where libc looks for them (_rtld_global_ro).
#pragma once

namespace pagefold::ld {

void publish_functions();

}  // namespace pagefold::ld
