// AMD: leaves 0x80000005 and 6 (the legacy description), since glibc 2.39 0x8000001d first (AMD APM 3, appendix E).
#include "ld/abi/glibc/cpu_caches.h"

namespace pagefold::ld::glibc {
namespace {

constexpr uint32_t kLegacyLevel1 = 0x80000005, kLegacyLevel2 = 0x80000006, kTopology = 0x8000001d;

// Ways of levels 2 and 3 by their code of four bits; 15 is "fully associative", computed.
constexpr uint8_t kWaysByCode[15] = {0, 1, 2, 0, 4, 0, 8, 0, 16, 0, 32, 48, 64, 96, 128};

int64_t legacy_level1(uint32_t word, CacheProperty property) {
  switch (property) {
    case kSize:
      return word >> 14 & 0x3fc00;
    case kWays: {
      const uint32_t ways = word >> 16;
      return (ways & 0xff) == 0xff ? ways << 2 & 0x3fc00 : ways & 0xff;
    }
    case kLine:
      return word & 0xff;
  }
  return 0;
}

int64_t legacy_upper(uint32_t word, uint32_t size, CacheProperty property) {
  const uint32_t code = word >> 12 & 0xf;
  switch (property) {
    case kSize:
      return code ? size : 0;
    case kWays:
      return code < 15 ? kWaysByCode[code] : word & 0xff ? size / (word & 0xff) : 0;
    case kLine:
      return code ? word & 0xff : 0;
  }
  return 0;
}

// Since 2.39 the legacy size of level 3 is cut down to the part that a thread's core complex has.
int64_t complex_share(const CpuFeatures& cpu, Cpuid& cpuid, uint32_t total) {
  uint32_t threads = 0;
  if (cpu.max_extended_leaf >= 0x80000008) threads = (cpu.present.word[k80000008][kEcx] & 0xff) + 1;
  if (threads == 0 && cpu.present.has(kHtt)) threads = cpu.present.word[k1][kEbx] >> 16 & 0xff;
  const int64_t per_thread = threads ? total / threads : 0;
  if (cpu.family < 0x17) return per_thread;
  return per_thread * ((cpuid(kTopology, 3).eax >> 14 & 0xfff) + 1);
}

int64_t legacy(const CpuFeatures& cpu, Cpuid& cpuid, CacheName cache, CacheProperty property) {
  const uint32_t leaf = cache >= kLevel2 ? kLegacyLevel2 : kLegacyLevel1;
  if (cpu.max_extended_leaf < leaf) return 0;
  const CpuidWords w = cpuid(leaf);
  switch (cache) {
    case kLevel1Instruction:
      return legacy_level1(w.edx, property);
    case kLevel1Data:
      return legacy_level1(w.ecx, property);
    case kLevel2:
      return legacy_upper(w.ecx, w.ecx >> 6 & 0x3fffc00, property);
    default:
      break;
  }
  const uint32_t total = (w.edx & 0x3ffc0000) << 1;
  if (property == kSize && cpu.minor >= 39) return w.edx & 0xf000 ? complex_share(cpu, cpuid, total) : 0;
  return legacy_upper(w.edx, total, property);
}

}  // namespace

int64_t amd_cache(const CpuFeatures& cpu, Cpuid& cpuid, CacheName cache, CacheProperty property) {
  if (cache == kLevel4) return cpu.minor >= 40 ? 0 : -1;  // 2.36 does not ask
  if (cpu.minor >= 39 && cpu.max_extended_leaf >= kTopology) {
    constexpr uint8_t kSubleaf[] = {1, 0, 2, 3};
    const CpuidWords w = cpuid(kTopology, kSubleaf[cache]);
    const uint32_t ways = (w.ebx >> 22 & 0x3ff) + 1, line = (w.ebx & 0xfff) + 1;
    if (w.ecx != 0) return property == kWays ? ways : property == kLine ? line : ways * line * (w.ecx + 1);
  }
  return legacy(cpu, cpuid, cache, property);
}

}  // namespace pagefold::ld::glibc
