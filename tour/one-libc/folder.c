// One of two different programs that hold libc's code: folds its bytes into a hash (FNV-1a).
#include "libc_text.h"

static uint64_t fold(uint64_t hash, unsigned char byte) {
  const uint64_t prime = UINT64_C(0x100000001b3);
  return ((hash == 0 ? UINT64_C(0xcbf29ce484222325) : hash) ^ byte) * prime;
}

int main(void) { return hold(fold); }
