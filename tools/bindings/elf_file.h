// An ELF file as far as the comparison needs it: where its dynamic relocations write, which functions start it, what it
// exports. Read from the file, not from memory and not with src/elf: neither loader's view, and not the code that is
// compared.
#pragma once

#include <elf.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pagefold::bindings {

// A place that a relocation writes; offsets are from the load base.
struct Site {
  uint64_t offset = 0;
  uint64_t bytes = 8;  // copy relocations: the size of the object; descriptors: 16
  uint32_t type = 0;
  uint32_t symbol = 0;
};

struct ElfFile {
  std::string path;
  bool dynamic_program = false;  // has PT_INTERP
  std::string interpreter;
  uint64_t start = 0;  // lowest and highest address of its segments
  uint64_t end = 0;
  std::vector<Site> sites;
  uint64_t init = 0;        // DT_INIT, or 0
  uint64_t init_array = 0;  // address and number of entries
  uint64_t init_entries = 0;
  uint64_t preinit_array = 0;
  uint64_t preinit_entries = 0;
  std::map<uint64_t, std::string> exported;  // address -> name: which of the loader's functions a word points to
  std::map<std::string, uint64_t, std::less<>> address_of;
  std::vector<uint8_t> build_id;
  std::vector<std::string> symbol_names;  // by index in the dynamic symbol table

  [[nodiscard]] bool contains(uint64_t offset) const { return offset >= start && offset < end; }
};

// Null when the file is no x86-64 ELF file, or damaged. Kept for the life of the process; may be called from any
// thread.
const ElfFile* elf_file(const std::string& path);

// Only whether it is a dynamic program, and its interpreter: does not read its relocations.
std::string interpreter_of(const std::string& path);

}  // namespace pagefold::bindings
