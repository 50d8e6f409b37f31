// Sizes of the caches by vendor, as glibc asks for them. A question is (cache, property); `level1_instruction` has no
// associativity in the answers that glibc keeps.
#pragma once

#include "ld/abi/glibc/cpu_features.h"

namespace pagefold::ld::glibc {

enum CacheName : uint8_t { kLevel1Instruction, kLevel1Data, kLevel2, kLevel3, kLevel4 };
enum CacheProperty : uint8_t { kSize, kWays, kLine };

// -1: the processor does not say; 0: there is none.
int64_t intel_cache(const CpuFeatures& cpu, Cpuid& cpuid, CacheName cache, CacheProperty property);
int64_t amd_cache(const CpuFeatures& cpu, Cpuid& cpuid, CacheName cache, CacheProperty property);

// A thread's share of the highest cache level, Intel only; `shared` gains the second level where the third does not
// include it.
struct Share {
  int64_t shared, per_thread;
};
Share intel_share(const CpuFeatures& cpu, Cpuid& cpuid, int64_t level3, int64_t level2);

}  // namespace pagefold::ld::glibc
