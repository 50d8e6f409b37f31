// The objects a start begins with: the program, this loader, the vdso.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// The program as the kernel mapped it (world.main).
Status describe_program();

// As a command: finds and maps the program named by argv[0]; adjusts the auxiliary vector.
Status map_program();

// Once more, when the layout in use has changed.
Status remake_main();

Status describe_self(uint64_t base, const char* path);
Status describe_vdso();

// PT_INTERP of the program, or null.
const char* interpreter_of_program();

// Has it no interpreter and no libraries? Then it needs no loader.
bool program_stands_alone();

// The loader's place on the list is where the search order has it.
void settle_self();

}  // namespace pagefold::ld
