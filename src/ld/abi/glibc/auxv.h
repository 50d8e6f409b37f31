// The auxiliary vector: what the kernel tells a new program (Linux: include/uapi/linux/auxvec.h). Pairs of words up to
// type 0.
#pragma once

#include <cstdint>

namespace pagefold::ld::glibc {

struct AuxEntry {
  uint64_t type, value;
};

enum AuxType : uint64_t {
  kAuxEnd = 0,
  kAuxProgramHeaders = 3,
  kAuxProgramHeaderCount = 5,
  kAuxPageSize = 6,
  kAuxBase = 7,
  kAuxEntry = 9,
  kAuxPlatform = 15,
  kAuxHwcap = 16,
  kAuxClockTick = 17,
  kAuxFpuControl = 18,
  kAuxSecure = 23,
  kAuxRandom = 25,
  kAuxHwcap2 = 26,
  kAuxRseqFeatureSize = 27,
  kAuxRseqAlign = 28,
  kAuxHwcap3 = 29,
  kAuxHwcap4 = 30,
  kAuxExecFileName = 31,
  kAuxSysinfoEhdr = 33,
  kAuxMinSignalStack = 51,
};

inline AuxEntry* find_aux(AuxEntry* entry, uint64_t type) {
  for (; entry->type != kAuxEnd; entry++)
    if (entry->type == type) return entry;
  return nullptr;
}
inline uint64_t aux_value(const AuxEntry* entry, uint64_t type, uint64_t otherwise = 0) {
  for (; entry->type != kAuxEnd; entry++)
    if (entry->type == type) return entry->value;
  return otherwise;
}

}  // namespace pagefold::ld::glibc
