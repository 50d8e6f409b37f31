// dlopen: load, bind, initialise; or change nothing and say why. Runs under the load lock.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

inline constexpr int kLazy = 1, kNow = 2, kGlobal = 0x100, kNoDelete = 0x1000;  // RTLD_*

// What _dl_open does; the result is the handle.
LinkMap* open_module(const char* file, int mode, const void* caller, int64_t name_space, int argc, char** argv,
                     char** envp);

// What _dl_close does.
void close_module(void* handle);

}  // namespace pagefold::ld
