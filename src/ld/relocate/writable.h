// Where an object may be written: every write of a relocation is compared with this.
#pragma once

#include "ld/module/module.h"

namespace pagefold::ld {

// Remembers the segment of the last hit: relocations come in address order.
class Writable {
 public:
  Writable(const Module& module, uint32_t flags) : module_(module), flags_(flags) {}

  // The place of `size` bytes at a file address, or null.
  char* at(uint64_t address, uint64_t size) {
    if (address - start_ >= size_ || size > size_ - (address - start_)) {
      if (!find(address, size)) return nullptr;
    }
    return reinterpret_cast<char*>(module_.bias + address);
  }

 private:
  bool find(uint64_t address, uint64_t size) {
    for (const Elf64_Phdr& segment : module_.headers) {
      if (segment.p_type != PT_LOAD || (segment.p_flags & flags_) != flags_) continue;
      if (address - segment.p_vaddr >= segment.p_memsz || size > segment.p_memsz - (address - segment.p_vaddr))
        continue;
      start_ = segment.p_vaddr;
      size_ = segment.p_memsz;
      return true;
    }
    return false;
  }

  const Module& module_;
  uint32_t flags_;
  uint64_t start_ = 0, size_ = 0;
};

}  // namespace pagefold::ld
