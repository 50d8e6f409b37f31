// From an open file to a module in memory: one load plan, carried out. Reserves the whole span with the first mapping,
// lays the other segments over it, clears what the file does not cover, and describes the result. Nothing is relocated
// or run.
#pragma once

#include "ld/base/status.h"
#include "ld/find/open_file.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// `path` becomes the module's name (taken over); `asked_for` is what somebody called it. Closes the file in any case.
// The module is complete but on no list.
Result<Module*> map_object(OpenFile& file, char* path, const char* asked_for, Type type, Module* loader);

void unmap(const Module& module);

// For an object the kernel has mapped (the program, the vdso, this loader): the same description from memory.
Status describe_mapped(Module& module, bool writable_dynamic);

// Makes relocated read-only data read-only.
Status protect_relro(const Module& module);

}  // namespace pagefold::ld
