// LD_DEBUG: what the loader does, told in glibc's words and columns, so that scripts which read them go on working.
// When it is off, a test of one bit that is never set is all it costs; in the lookup loop not even that
// (resolve/lookup.h chooses another instantiation).
#pragma once

#include "ld/base/out.h"

namespace pagefold::ld {

struct Module;

namespace debug {

// glibc's own bit numbers: libc reads them as _dl_debug_mask.
enum Flag : uint32_t {
  kLibs = 1 << 0,
  kCalls = 1 << 1,
  kBindings = 1 << 2,
  kSymbols = 1 << 3,
  kVersions = 1 << 4,
  kReloc = 1 << 5,
  kFiles = 1 << 6,
  kStatistics = 1 << 7,
  kUnused = 1 << 8,
  kScopes = 1 << 9,
  kHelp = 1 << 10,
};

extern uint32_t mask;
inline bool on(uint32_t flags) { return __builtin_expect((mask & flags) != 0, 0); }

// Reads LD_DEBUG and LD_DEBUG_OUTPUT.
void start();

// One line, prefixed with the process id.
class Line : public Out {
 public:
  Line();
};

// Lines in the form of printf, each prefixed with the process id; libc prints with it, too. Knows the
// conversions of Printer (abi/glibc/exports/format.h).
void print(const char* format, ...) __attribute__((format(printf, 1, 2)));

// glibc's "%s [%lu]": a file and its namespace, of which there is one.
const char* file_of(const Module& module);

struct Statistics {
  uint64_t started = 0, load = 0, relocation = 0;  // time stamp counter
  uint64_t relocations = 0, cached = 0, relative = 0;
};
extern Statistics statistics;
inline uint64_t clock() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return uint64_t{high} << 32 | low;
}
void print_statistics();
void print_final_statistics();
// The lists of its scope, from the one of that number on.
void print_scope(Module& module, unsigned from);

// A symbol or version that is missing. Fatal: nobody said that they are only to be told.
void tell_error(const char* object, const char* occasion, const char* text, bool fatal);

}  // namespace debug
}  // namespace pagefold::ld
