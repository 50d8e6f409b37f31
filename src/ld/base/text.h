// C strings without a C library. Plain loops: names are short, and the loader must not pull in vector code whose registers a
// lazily bound call still needs.
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

inline bool equal(const char* a, const char* b) {
  while (*a != '\0' && *a == *b) ++a, ++b;
  return *a == *b;
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
