// A binding keeps its definer loaded: an object opened with dlopen may not go while another, not linked against it, is
// bound to it.
#pragma once

#include "ld/module/module.h"

namespace pagefold::ld {

// False if the definer is being unloaded, and the lookup has to be made again.
bool add_dependency(Module* referrer, Module& definer, uint32_t flags);

}  // namespace pagefold::ld
