// C strings without a C library. Plain loops: names are short, and the loader must not pull in vector code whose
// registers a lazily bound call still needs.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {
void* memcpy(void* to, const void* from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int byte, size_t size);
int memcmp(const void* a, const void* b, size_t size);
size_t strlen(const char* s);
}

namespace pagefold::ld {

// Eight bytes at a time where neither string can reach the end of its page, for what lies behind may not be mapped. What lies
// behind within the page is read and not looked at, which AddressSanitizer cannot know.
[[gnu::no_sanitize_address]] inline bool equal(const char* a, const char* b) {
  constexpr uint64_t kPage = 4096, kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const auto near_end = [](const char* s) { return (reinterpret_cast<uint64_t>(s) & (kPage - 1)) > kPage - 8; };
  for (;;) {
    if (near_end(a) || near_end(b)) {
      if (*a != *b) return false;
      if (*a == '\0') return true;
      ++a, ++b;
      continue;
    }
    uint64_t x, y;
    __builtin_memcpy(&x, a, 8);
    __builtin_memcpy(&y, b, 8);
    const uint64_t zero = (x - kOnes) & ~x & kHighs;  // its lowest bit is in the first zero byte of x
    if (x != y) return zero != 0 && __builtin_ctzll(zero) / 8 < __builtin_ctzll(x ^ y) / 8;
    if (zero != 0) return true;
    a += 8, b += 8;
  }
}

inline bool equal(const char* a, size_t size, const char* b) {
  size_t i = 0;
  while (i < size && b[i] != '\0' && a[i] == b[i]) ++i;
  return i == size && b[i] == '\0';
}

inline bool starts_with(const char* s, const char* prefix) {
  while (*prefix != '\0' && *s == *prefix) ++s, ++prefix;
  return *prefix == '\0';
}

inline const char* find(const char* s, char c) {
  for (; *s != '\0'; ++s)
    if (*s == c) return s;
  return nullptr;
}

inline const char* find_last(const char* s, char c) {
  const char* found = nullptr;
  for (; *s != '\0'; ++s)
    if (*s == c) found = s;
  return found;
}

inline const char* base_name(const char* path) {
  const char* slash = find_last(path, '/');
  return slash == nullptr ? path : slash + 1;
}

}  // namespace pagefold::ld
