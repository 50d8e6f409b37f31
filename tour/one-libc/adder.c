// One of two different programs that hold libc's code: adds its bytes up.
#include "libc_text.h"

static uint64_t add(uint64_t sum, unsigned char byte) { return sum + byte; }

int main(void) { return hold(add); }
