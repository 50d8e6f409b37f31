// What the tour's programs use to look at the objects (the program, libraries, the loader) in their own address space.
#pragma once

#include "probe.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>

// The last part of a path.
static inline const char* name_only(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash == NULL ? path : slash + 1;
}

static inline void tell_text(const char* key, const char* value) { printf("%s: %s\n", key, value); }

static inline void tell_address(const char* key, const volatile void* at) {
  printf("%s: %lx\n", key, (unsigned long)(uintptr_t)at);
}

static inline void tell_bytes(const char* key, const volatile unsigned char* bytes, size_t count) {
  printf("%s:", key);
  for (size_t i = 0; i < count; i++) printf(" %02x", bytes[i]);
  printf("\n");
}

// The object that holds an address: name, and where it begins. Ends the program when there is none.
static inline Dl_info object_at(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0) die("dladdr");
  return info;
}

// Where a function's code lies, and how long it is by its symbol.
struct code {
  const volatile unsigned char* start;
  size_t size;
};

static inline struct code code_of(const void* function) {
  Dl_info info;
  const ElfW(Sym)* symbol = NULL;
  if (dladdr1(function, &info, (void**)&symbol, RTLD_DL_SYMENT) == 0 || symbol == NULL) die("dladdr1");
  return (struct code){info.dli_saddr, symbol->st_size};
}
