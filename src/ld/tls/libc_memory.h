// The program's malloc. Blocks that libc may free itself (dtv entries, error texts) must come from it, and from the
// program's own if it has replaced libc's. Before it is known there are no such blocks.
#pragma once

#include <stddef.h>

namespace pagefold::ld {

// Looks the functions up in the program's scope.
void start_libc_memory();
bool has_libc_memory();

void* libc_malloc(size_t size);
void* libc_calloc(size_t count, size_t size);
void libc_free(void* piece);

}  // namespace pagefold::ld
