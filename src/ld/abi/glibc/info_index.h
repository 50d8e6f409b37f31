// Where a dynamic tag stands in `link_map.l_info`: plain tags first, then glibc's five ranges. The processor-specific
// range has grown since (x86-64: none up to 2.38, four since), which the array's length tells. Sources: gABI chapter 5,
// elf.h.
#pragma once

#include <elf.h>

#include "ld/abi/glibc/layout.h"

namespace pagefold::ld::glibc {

class InfoIndex {
 public:
  static constexpr uint32_t kNoPlace = kAbsent;

  explicit constexpr InfoIndex(const Layout& layout)
      : processor_(layout.link_map.l_info_count - kPlain - kVersions - kExtra - kValues - kAddresses) {}

  // The element for `tag`, or kNoPlace: glibc ignores the tag.
  constexpr uint32_t operator[](uint64_t tag) const {
    const uint32_t versions = kPlain + processor_, extra = versions + kVersions, values = extra + kExtra,
                   addresses = values + kValues;
    if (tag < kPlain) return static_cast<uint32_t>(tag);
    if (tag - DT_LOPROC < processor_) return kPlain + static_cast<uint32_t>(tag - DT_LOPROC);
    if (below(DT_VERNEEDNUM, tag) < kVersions) return versions + below(DT_VERNEEDNUM, tag);
    if (below(DT_FILTER, tag) < kExtra) return extra + below(DT_FILTER, tag);
    if (below(DT_VALRNGHI, tag) < kValues) return values + below(DT_VALRNGHI, tag);
    if (below(DT_ADDRRNGHI, tag) < kAddresses) return addresses + below(DT_ADDRRNGHI, tag);
    return kNoPlace;
  }

 private:
  static constexpr uint32_t kPlain = 38, kVersions = 16, kExtra = 3, kValues = 12, kAddresses = 11;
  static constexpr uint32_t below(uint64_t highest, uint64_t tag) {
    return tag <= highest && highest - tag < 64 ? static_cast<uint32_t>(highest - tag) : kNoPlace;
  }
  uint32_t processor_;
};

}  // namespace pagefold::ld::glibc
