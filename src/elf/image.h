// An object in memory, seen through its own addresses: `at`, `table` and `rest` take an address as the file states it
// (bias not added) and answer only if it lies in a loaded, readable segment. Nothing here follows a pointer; a library
// that lies about its sizes gets null.
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"

namespace pagefold::elf {

template <class E>
class Image {
 public:
  using Segment = typename E::Segment;

  Image() = default;
  // `bias`: what is added to the file's addresses; `segments`: its program headers, outside the image's writable
  // memory.
  Image(uint64_t bias, Table<Segment> segments) : bias_(bias), segments_(segments) {}

  uint64_t bias() const { return bias_; }
  Table<Segment> segments() const { return segments_; }

  // Everything from `address` to the end of its segment; empty if it lies in none that is readable.
  Bytes rest(uint64_t address) const {
    for (const Segment& s : segments_) {
      if (s.p_type != PT_LOAD || (s.p_flags & PF_R) == 0) continue;
      if (address - s.p_vaddr < s.p_memsz)
        return Bytes(reinterpret_cast<const char*>(bias_ + address), s.p_memsz - (address - s.p_vaddr));
    }
    return {};
  }

  template <class T>
  Table<T> table(uint64_t address, uint64_t count) const {
    return rest(address).template table<T>(0, count);
  }

  // Is [address, address + size) inside one segment with these flags?
  bool inside(uint64_t address, uint64_t size, uint32_t flags) const {
    for (const Segment& s : segments_) {
      if (s.p_type != PT_LOAD || (s.p_flags & flags) != flags || address < s.p_vaddr) continue;
      const uint64_t into = address - s.p_vaddr;
      if (into <= s.p_memsz && size <= s.p_memsz - into) return true;
    }
    return false;
  }

 private:
  uint64_t bias_ = 0;
  Table<Segment> segments_;
};

}  // namespace pagefold::elf
