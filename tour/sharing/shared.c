// A library of 64 pages of code, which never change, and 16 pages of pointers: their values depend on where the library
// is loaded, so the loader must store them.
#include "shared.h"

__asm__(
    ".pushsection .text\n .balign 4096\nshared_code:\n .fill 64 * 4096, 1, 0x90\n .popsection\n"
    ".pushsection .data.rel.ro, \"aw\", @progbits\n .balign 4096\nshared_pointers:\n"
    " .rept 16 * 512\n .quad shared_code\n .endr\n .popsection\n");

const unsigned char* code_of_library(void) { return shared_code; }
void* const* pointers_of_library(void) { return shared_pointers; }
