// The twelve sizes that glibc keeps, and the thresholds that follow from them.
#include "ld/abi/glibc/cpu_caches.h"

namespace pagefold::ld::glibc {
namespace {

using Ask = int64_t (*)(const CpuFeatures&, Cpuid&, CacheName, CacheProperty);

void ask_all(CpuFeatures& cpu, Cpuid& cpuid, Ask ask) {
  const auto answer = [&](CacheName cache, CacheProperty property) {
    return static_cast<uint64_t>(ask(cpu, cpuid, cache, property));
  };
  cpu.cache = {answer(kLevel1Instruction, kSize),
               answer(kLevel1Instruction, kLine),
               answer(kLevel1Data, kSize),
               answer(kLevel1Data, kWays),
               answer(kLevel1Data, kLine),
               answer(kLevel2, kSize),
               answer(kLevel2, kWays),
               answer(kLevel2, kLine),
               answer(kLevel3, kSize),
               answer(kLevel3, kWays),
               answer(kLevel3, kLine),
               answer(kLevel4, kSize)};
}

// 2.36: threads by the width of the APIC id (or, from Zen on, the logical processors), then per core complex.
Share amd_share_236(const CpuFeatures& cpu, Cpuid& cpuid, int64_t level3, int64_t level2) {
  if (level3 <= 0) return {level2, level2};
  const bool zen = cpu.family >= 0x17;
  uint32_t threads = 0;
  if (cpu.max_extended_leaf >= 0x80000008) threads = 1u << (cpu.present.word[k80000008][kEcx] >> 12 & 0xf);
  if ((threads == 0 || zen) && cpu.present.has(kHtt)) threads = cpu.present.word[k1][kEbx] >> 16 & 0xff;
  int64_t per_thread = threads ? level3 / threads : level3;
  if (zen) return {level3, per_thread * ((cpuid(0x8000001d, 3).eax >> 14 & 0xfff) + 1)};
  return {level3 + level2, per_thread + level2};  // exclusive caches
}

Share amd_share_241(const CpuFeatures& cpu, int64_t level3, int64_t level2) {
  if (level3 <= 0) return {level2, level2};
  const int64_t shared = cpu.family < 0x17 ? level3 + level2 : level3;
  return {shared, shared};
}

Share share(const CpuFeatures& cpu, Cpuid& cpuid) {
  const auto level3 = static_cast<int64_t>(cpu.cache.level3_size), level2 = static_cast<int64_t>(cpu.cache.level2_size);
  if (cpu.vendor == Vendor::kIntel) return intel_share(cpu, cpuid, level3, level2);
  return cpu.minor >= 40 ? amd_share_241(cpu, level3, level2) : amd_share_236(cpu, cpuid, level3, level2);
}

// From this size on, copies bypass the caches: a part of the shared cache, not below three quarters of a thread's
// share.
uint64_t non_temporal(const CpuFeatures& cpu, const Share& share) {
  constexpr uint64_t kLowest = 0x4040, kHighest = UINT64_MAX >> 4, kUnknownSince240 = 64 << 20;
  const uint64_t part = cpu.minor >= 40 ? static_cast<uint64_t>(share.shared) / cpu.non_temporal_divisor
                                        : static_cast<uint64_t>(share.shared / 4);
  const auto low_bound = static_cast<uint64_t>(share.per_thread * 3 / 4);
  uint64_t threshold = part < low_bound || !cpu.active.has(kErms) ? low_bound : part;
  if (threshold < kLowest) return cpu.minor >= 40 ? kUnknownSince240 : kLowest;
  return threshold > kHighest ? kHighest : threshold;
}

uint64_t rep_movsb(const CpuFeatures& cpu, uint64_t non_temporal_threshold) {
  if (cpu.minor >= 40 && cpu.vendor == Vendor::kAmd) return non_temporal_threshold;
  if (cpu.active.has(kFsrm)) return 2112;
  if (cpu.active.has(kAvx512f) && !cpu.prefers(kPreferNoAvx512)) return 4096 * (64 / 16);
  return cpu.prefers(kAvxFastUnalignedLoad) ? 4096 * (32 / 16) : 2048;
}

uint64_t rep_stosb(const CpuFeatures& cpu, uint64_t memset_non_temporal) {
  if (cpu.minor < 40) return 2048;
  if (cpu.prefers(kAvoidStosb)) return memset_non_temporal;
  return cpu.vendor == Vendor::kAmd ? UINT64_MAX : 2048;
}

// What the point releases of 2.36 compute differently (it was corrected in Debian's u10): a leaf 2 that does not begin
// with 1, as under some hypervisors, and caches that do not fit an int.
bool known_to_all_of_236(const CpuFeatures& cpu, Cpuid& cpuid) {
  if (cpu.vendor == Vendor::kIntel && cpu.max_leaf >= 2 && (cpuid(2).eax & 0xff) != 1) return false;
  for (const uint64_t size : {cpu.cache.level1_dcache_size, cpu.cache.level2_size, cpu.cache.level3_size})
    if (static_cast<int64_t>(size) > INT32_MAX / 2) return false;
  return true;
}

bool measured_alike(const CpuFeatures& cpu, Cpuid& cpuid) { return cpu.minor != 36 || known_to_all_of_236(cpu, cpuid); }

}  // namespace

bool measure_caches(CpuFeatures& cpu, Cpuid& cpuid) {
  ask_all(cpu, cpuid, cpu.vendor == Vendor::kIntel ? intel_cache : amd_cache);
  if (!measured_alike(cpu, cpuid)) return false;
  const Share s = share(cpu, cpuid);
  Thresholds& t = cpu.threshold;
  t.data_cache_size = cpu.cache.level1_dcache_size;
  t.shared_cache_size = static_cast<uint64_t>(s.shared);
  t.non_temporal = non_temporal(cpu, s);
  t.memset_non_temporal = cpu.prefers(kAvoidNonTemporalMemset) ? UINT64_MAX : t.non_temporal;
  t.rep_movsb = rep_movsb(cpu, t.non_temporal);
  t.rep_stosb = rep_stosb(cpu, t.memset_non_temporal);
  t.rep_movsb_stop = cpu.minor < 40 && cpu.vendor == Vendor::kAmd ? cpu.cache.level2_size : t.non_temporal;
  return true;
}

}  // namespace pagefold::ld::glibc
