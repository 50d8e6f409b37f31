// GLIBC_TUNABLES and the environment variables that alias single tunables (MALLOC_ARENA_MAX, ...), read as glibc's
// ld.so reads them, and handed to libc, which asks by position (`__tunable_get_val`).
//
// What only libc uses (malloc, threads, elision, gmon, mem) is exact. What steers ld.so itself is exact for
// pthread.rseq, rtld.nns and rtld.optional_static_tls; every other one (glibc.cpu.*, rtld.dynamic_sort, ...), and
// everything that makes ld.so print a warning, is a reason to hand over. AT_SECURE programs never come here.
#pragma once

#include "ld/abi/glibc/layout.h"

namespace pagefold::ld::glibc {

class Tunables {
 public:
  // Null, or why the genuine loader must do this start (a tunable's name). Keeps pointers into `environment`, which
  // stays as it is.
  const char* read(const Build& build, const char* const* environment);

  // `__tunable_get_val(id, to, callback)`: writes 4 or 8 bytes (a pointer for strings), calls back if the tunable was
  // set.
  using Callback = void (*)(const void* value);
  void get(uint32_t id, void* to, Callback callback) const;
  bool is_set(uint32_t id) const { return set_[id]; }

  // By name ("glibc.rtld.nns"); `fallback` where this glibc has no such tunable.
  uint64_t number(const char* name, uint64_t fallback) const;
  const uint64_t* values() const { return value_; }

 private:
  struct Text {
    const char* start;
    uint64_t size;
  };
  const char* read_list(const char* text);
  const char* read_list_strictly(const char* text);
  const char* take(uint32_t id, Text value);
  const char* take_alias(uint32_t id, const char* value);
  uint32_t find(Text name) const;
  uint32_t find_alias(const char* variable, const char** value) const;
  bool strict() const { return build_->minor >= 39; }

  const Build* build_ = nullptr;
  uint64_t value_[kMaxTunables] = {};
  bool set_[kMaxTunables] = {};
};

// _dl_strtoul: blanks, sign, 0x and 0 as prefixes; stops at the first other character, which `*end` receives.
uint64_t parse_number(const char* text, const char** end);

// The static TLS that start-up leaves free for libraries that dlopen brings (`_dl_tls_static_surplus`, bytes), and the
// part of it that TLS descriptors and such optimisations may use (`_dl_tls_static_optional`). Without audit modules.
struct TlsSurplus {
  uint64_t surplus, optional;
};
TlsSurplus tls_surplus(const Tunables& tunables);

}  // namespace pagefold::ld::glibc
