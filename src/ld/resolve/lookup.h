// One name, searched through a scope. The rules are glibc's (elf/dl-lookup.c) because programs depend on them: first
// definition in scope order wins, weak or not; versions must match, or be absent; the file that a version requirement
// names must define it; protected definitions win for references from their own object; STB_GNU_UNIQUE symbols have one
// definition for the whole process.
//
// The walk exists twice: plain, and telling LD_DEBUG=symbols about each step.
#pragma once

#include "ld/base/status.h"
#include "ld/module/module.h"

namespace pagefold::ld {

// What kind of reference it is (glibc's ELF_RTYPE_CLASS_*).
inline constexpr uint32_t kPlt = 1;   // a definition in an executable's PLT does not count
inline constexpr uint32_t kCopy = 2;  // for a copy relocation: not the referring object's own

// Flags of _dl_lookup_symbol_x.
inline constexpr uint32_t kAddDependency = 1, kReturnNewest = 2, kWithoutLock = 4, kForRelocation = 8;

struct Wanted {
  const char* name;
  uint32_t hash;               // GNU
  const Version* version;      // null: any
  const Module* version_file;  // who must define that version; null: not known
  const Symbol* reference;     // the referring object's own symbol, or null
  uint32_t reference_class;
  uint32_t flags;
};

struct Found {
  const Symbol* symbol = nullptr;
  Module* module = nullptr;

  bool is_defined() const { return symbol != nullptr; }
  // The run-time address; the function behind an IFUNC is not asked.
  uint64_t address() const {
    return symbol == nullptr ? 0 : (symbol->st_shndx == SHN_ABS ? 0 : module->bias) + symbol->st_value;
  }
};

// `scope`: null-terminated. With `skip`, only what comes after that module (RTLD_NEXT). An undefined symbol is a
// failure unless the reference is weak; then found is empty.
Status look_up(const Wanted& wanted, Module* referrer, SearchList* const* scope, const Module* skip, Found& found);

// The same within one object, for the loader's own needs: null if it is not there.
Found look_up_in(Module& module, const char* name, const char* version);

// The version that symbol number `index` of a module refers to, or null.
const Version* version_of(const Module& module, uint32_t index, const Module** file);

// While tracing with LD_WARN, undefined symbols are told and passed over.
extern bool tell_undefined_only;

inline unsigned type_of(const Symbol& symbol) { return symbol.st_info & 15; }
inline unsigned binding_of(const Symbol& symbol) { return symbol.st_info >> 4; }
inline unsigned visibility_of(const Symbol& symbol) { return symbol.st_other & 3; }

}  // namespace pagefold::ld
