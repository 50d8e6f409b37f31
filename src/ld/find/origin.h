// $ORIGIN: the directory an object lies in.
#pragma once

namespace pagefold::ld {

struct Module;

// Null if it cannot be known. A null owner means the main program. The string belongs to the module.
const char* origin_of(Module* owner);

}  // namespace pagefold::ld
