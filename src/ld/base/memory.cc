// The five functions that a compiler may call on its own account, and that programs must not get from us: hidden.
#include "ld/base/text.h"

#define PAGEFOLD_HIDDEN extern "C" __attribute__((visibility("hidden")))

namespace {

constexpr size_t kStringUnit = 256;  // from here on the microcode's copy wins

}  // namespace

PAGEFOLD_HIDDEN void* memcpy(void* to, const void* from, size_t size) {
  auto* d = static_cast<char*>(to);
  const auto* s = static_cast<const char*>(from);
  if (size >= kStringUnit) {
    asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(size) : : "memory");
    return to;
  }
  for (; size >= 8; size -= 8, d += 8, s += 8) {
    uint64_t word;
    __builtin_memcpy(&word, s, 8);
    __builtin_memcpy(d, &word, 8);
  }
  for (; size > 0; --size) *d++ = *s++;
  return to;
}

PAGEFOLD_HIDDEN void* memmove(void* to, const void* from, size_t size) {
  auto* d = static_cast<char*>(to);
  const auto* s = static_cast<const char*>(from);
  if (d <= s) {
    asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(size) : : "memory");
    return to;
  }
  while (size > 0) {
    --size;
    d[size] = s[size];
  }
  return to;
}

PAGEFOLD_HIDDEN void* memset(void* to, int byte, size_t size) {
  void* d = to;
  asm volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(byte) : "memory");
  return to;
}

PAGEFOLD_HIDDEN int memcmp(const void* a, const void* b, size_t size) {
  const auto* x = static_cast<const unsigned char*>(a);
  const auto* y = static_cast<const unsigned char*>(b);
  for (; size > 0; --size, ++x, ++y)
    if (*x != *y) return *x < *y ? -1 : 1;
  return 0;
}

PAGEFOLD_HIDDEN size_t strlen(const char* s) {
  const char* end = s;
  while (*end != '\0') ++end;
  return static_cast<size_t>(end - s);
}
