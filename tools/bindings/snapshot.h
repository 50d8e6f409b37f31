// What a loader has made of a program's memory when all is relocated and nothing has run yet, and the order in which it
// then calls the constructors. Addresses are told as (object, offset), so that snapshots of two loaders compare.
//
// The moment is the one debuggers use: the loader calls _dl_debug_state with _r_debug.r_state == RT_CONSISTENT. For the
// order, every DT_PREINIT_ARRAY, DT_INIT and DT_INIT_ARRAY function gets a breakpoint and is skipped when it is called:
// no constructor is ever executed. The program is killed at its entry point. IFUNC resolvers do run: they are part of
// relocation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "elf_file.h"

namespace pagefold::bindings {

// A relocated word in a form that two runs share.
struct Value {
  int object = -1;  // index of the object it points into; -1: a plain number; others: kElsewhere, kLoader
  uint64_t offset = 0;
  bool operator==(const Value&) const = default;
};
inline constexpr int kPlain = -1;
inline constexpr int kElsewhere = -2;  // stack, heap or anonymous memory: the offset is not told
inline constexpr int kLoader = -3;     // offset: a hash of the exported name, or 0 for what is internal

struct Object {
  std::string name;
  const ElfFile* file = nullptr;  // null: vdso
  std::vector<Value> words;       // one or more a site, in the order of the file's sites
  int64_t tls_offset = 0;
  uint64_t tls_module = 0;
};

struct Snapshot {
  std::string failure;  // not empty: no snapshot, and why
  std::vector<Object> objects;
  std::vector<std::string> constructors;  // "libc.so.6 DT_INIT", "libx.so DT_INIT_ARRAY[2]"
};

Snapshot take_snapshot(const std::string& program, const std::string& loader, bool bind_now,
                       const std::vector<std::string>& more_environment);

struct Comparison {
  uint64_t words = 0;
  std::vector<std::string> differences;  // all of them, one line each
};

Comparison compare(const Snapshot& genuine, const Snapshot& tested);

}  // namespace pagefold::bindings
