// malloc, fill, free, malloc: what is in the memory that is handed out again? And calloc, for the same memory?
#include "../common/probe.h"

enum { kSize = 5000 };
// Called through volatile pointers, so that the compiler neither removes nor merges the calls.
static void* (*volatile allocate)(size_t) = malloc;
static void* (*volatile allocate_clear)(size_t, size_t) = calloc;
static void (*volatile release)(void*) = free;

int main(void) {
  unsigned char* first = allocate(kSize);
  void* neighbour = allocate(100);  // keeps the freed piece from melting into the rest of the heap
  const uintptr_t place = (uintptr_t)first;
  memset(first, 0xaa, kSize);
  release(first);

  volatile unsigned char* second = allocate(kSize);
  long old = 0;
  for (size_t i = 0; i < kSize; i++) old += second[i] == 0xaa;
  tell("bytes", kSize);
  tell("malloc gave the same place", (uintptr_t)second == place);
  tell("old bytes in it", old);
  memset((void*)(uintptr_t)second, 0xaa, kSize);
  release((void*)(uintptr_t)second);

  volatile unsigned char* third = allocate_clear(1, kSize);
  tell("calloc gave the same place", (uintptr_t)third == place);
  tell("calloc: bytes that are not zero", nonzero_bytes(third, kSize));
  release((void*)(uintptr_t)third);
  release(neighbour);
  return 0;
}
