// The order of events in glibc: read the leaves, decide what the kernel lets use, prefer by model, measure the caches,
// choose a platform string.
#include "ld/abi/glibc/cpu_features.h"

namespace pagefold::ld::glibc {
namespace {

constexpr uint32_t kExtended = 0x80000000;

// Vendor strings as CPUID 0 returns them in ebx, edx, ecx.
struct VendorName {
  char text[13];
  Vendor vendor;
};
constexpr VendorName kVendors[] = {
    {"GenuineIntel", Vendor::kIntel}, {"AuthenticAMD", Vendor::kAmd}, {"HygonGenuine", Vendor::kHygon}};

Vendor vendor_of(const CpuidWords& w) {
  const uint32_t words[3] = {w.ebx, w.edx, w.ecx};
  for (const VendorName& name : kVendors)
    if (__builtin_memcmp(words, name.text, sizeof words) == 0) return name.vendor;
  return Vendor::kOther;
}

void keep(CpuFeatures& cpu, LeafIndex index, const CpuidWords& w) {
  uint32_t* to = cpu.present.word[index];
  to[kEax] = w.eax, to[kEbx] = w.ebx, to[kEcx] = w.ecx, to[kEdx] = w.edx;
}

// Which leaf fills which element, if the processor has it.
struct Source {
  uint32_t needs, leaf, subleaf;
  LeafIndex index;
};
constexpr Source kSources[] = {
    {1, 1, 0, k1},
    {7, 7, 0, k7},
    {7, 7, 1, k7S1},
    {0xd, 0xd, 1, kD1},
    {0x14, 0x14, 0, k14},
    {0x19, 0x19, 0, k19},
    {kExtended + 1, kExtended + 1, 0, k80000001},
    {kExtended + 7, kExtended + 7, 0, k80000007},
    {kExtended + 8, kExtended + 8, 0, k80000008},
};

// Leaves that are known to be zero are not asked for: AMD has neither Intel PT nor Key Locker, and leaf 7 says how many
// subleaves it has.
bool is_zero(const CpuFeatures& cpu, const Source& s) {
  if (s.index == k14 || s.index == k19) return cpu.vendor == Vendor::kAmd;
  return s.index == k7S1 && cpu.present.word[k7][kEax] == 0;
}

void read_leaves(CpuFeatures& cpu, Cpuid& cpuid) {
  for (const Source& s : kSources) {
    const uint32_t highest = s.needs & kExtended ? cpu.max_extended_leaf : cpu.max_leaf;
    if (highest >= s.needs && !is_zero(cpu, s)) keep(cpu, s.index, cpuid(s.leaf, s.subleaf));
  }
}

// glibc adds the extended model on Intel always, on others for family 15 and up only.
void name_model(CpuFeatures& cpu) {
  const uint32_t eax = cpu.present.word[k1][kEax];
  const uint32_t extended_model = eax >> 12 & 0xf0;
  cpu.family = eax >> 8 & 0xf;
  cpu.model = eax >> 4 & 0xf;
  cpu.stepping = eax & 0xf;
  if (cpu.family == 0xf) {
    cpu.family += eax >> 20 & 0xff;
    cpu.model += extended_model;
  } else if (cpu.vendor == Vendor::kIntel && cpu.family == 6) {
    cpu.model += extended_model;
  }
}

// The kernel's signal frame without AT_MINSIGSTKSZ (old kernels, emulators): frame 440 + 8, aligned, XSAVE area, its
// end mark.
uint32_t signal_stack(const CpuFeatures& cpu, Cpuid& cpuid) {
  constexpr uint32_t kMinSigStkSz = 2048, kFrame = (440 + 8 + 15 + 15) / 16 * 16 + 64 - 16, kEndMark = 4;
  if (cpu.max_leaf < 0xd || !cpu.present.has(kOsxsave)) return kMinSigStkSz;
  return kFrame + cpuid(0xd, 0).ebx + kEndMark;
}

template <size_t n>
bool all(const FeatureWords& words, const Feature (&list)[n]) {
  for (const Feature& feature : list)
    if (!words.has(feature)) return false;
  return true;
}

constexpr Feature kHaswell[] = {kAvx2, kFma, kBmi1, kBmi2, kLzcnt, kMovbe, kPopcnt};
constexpr Feature kXeonPhi[] = {kAvx512cd, kAvx512er, kAvx512pf};
constexpr Feature kAvx512Server[] = {kAvx512cd, kAvx512bw, kAvx512dq, kAvx512vl};

void name_platform(CpuFeatures& cpu) {
  constexpr uint64_t kHwcapX8664 = 1 << 1, kHwcapAvx512 = 1 << 2;
  cpu.hwcap = kHwcapX8664;
  if (cpu.vendor != Vendor::kIntel) return;
  if (!cpu.active.has(kAvx512er) && all(cpu.active, kAvx512Server)) cpu.hwcap |= kHwcapAvx512;
  if (all(cpu.active, kXeonPhi))
    __builtin_memcpy(cpu.platform, "xeon_phi", 9);
  else if (all(cpu.active, kHaswell))
    __builtin_memcpy(cpu.platform, "haswell", 8);
}

}  // namespace

bool detect(CpuFeatures& cpu, Cpuid& cpuid, uint32_t minor, uint64_t hwcap2) {
  cpu = {};
  cpu.minor = minor;
  const CpuidWords zero = cpuid(0);
  cpu.vendor = vendor_of(zero);
  cpu.max_leaf = zero.eax;
  if (!knows_cpu_rules(minor)) return false;
  if (cpu.vendor != Vendor::kIntel && cpu.vendor != Vendor::kAmd) return false;
  cpu.max_extended_leaf = cpuid(kExtended).eax;
  read_leaves(cpu, cpuid);
  name_model(cpu);
  if (!cpu.present.has(kOsxsave))
    return false;  // glibc takes features back after having decided by them; not worth a copy
  cpu.signal_stack = signal_stack(cpu, cpuid);
  cpu.non_temporal_divisor = 4;
  set_active(cpu, cpuid, hwcap2);
  prefer_by_model(cpu);
  if (!measure_caches(cpu, cpuid)) return false;
  name_platform(cpu);
  return true;
}

namespace {

// glibc's enum cpu_features_kind.
constexpr uint32_t kKindIntel = 1, kKindAmd = 2;

// 2.36 has no Prefer_MAP_32BIT_EXEC: what follows it stands one lower.
uint32_t preferred_of(const CpuFeatures& cpu) {
  if (cpu.minor >= 37) return cpu.preferred;
  const uint32_t below = (1u << kPreferMap32bitExec) - 1;
  return (cpu.preferred & below) | (cpu.preferred >> 1 & ~below);
}

template <class T>
void put(void* at, uint32_t offset, T value) {
  if (present(offset)) __builtin_memcpy(static_cast<char*>(at) + offset, &value, sizeof value);
}

}  // namespace

void store(const CpuFeatures& cpu, const Layout& layout, void* at) {
  const auto& to = layout.cpu_features;
  put(at, to.basic_kind, cpu.vendor == Vendor::kIntel ? kKindIntel : kKindAmd);
  put(at, to.basic_max_cpuid, cpu.max_leaf);
  put(at, to.basic_family, cpu.family);
  put(at, to.basic_model, cpu.model);
  put(at, to.basic_stepping, cpu.stepping);
  for (uint32_t i = 0; i < kLeaves && i < to.features_count; i++) {
    char* element = static_cast<char*>(at) + to.features + i * layout.cpuid_feature.size;
    __builtin_memcpy(element, cpu.present.word[i], 16);
    __builtin_memcpy(element + 16, cpu.active.word[i], 16);
  }
  put(at, to.preferred, preferred_of(cpu));
  put(at, to.isa_1, cpu.isa_level);
  put(at, to.xsave_state_size, cpu.xsave_size);
  put(at, to.xsave_state_full_size, cpu.xsave_full_size);
  put(at, to.data_cache_size, cpu.threshold.data_cache_size);
  put(at, to.shared_cache_size, cpu.threshold.shared_cache_size);
  put(at, to.non_temporal_threshold, cpu.threshold.non_temporal);
  put(at, to.memset_non_temporal_threshold, cpu.threshold.memset_non_temporal);
  put(at, to.rep_movsb_threshold, cpu.threshold.rep_movsb);
  put(at, to.rep_movsb_stop_threshold, cpu.threshold.rep_movsb_stop);
  put(at, to.rep_stosb_threshold, cpu.threshold.rep_stosb);
  put(at, to.level1_icache_size, cpu.cache.level1_icache_size);
  put(at, to.level1_icache_linesize, cpu.cache.level1_icache_linesize);
  put(at, to.level1_dcache_size, cpu.cache.level1_dcache_size);
  put(at, to.level1_dcache_assoc, cpu.cache.level1_dcache_assoc);
  put(at, to.level1_dcache_linesize, cpu.cache.level1_dcache_linesize);
  put(at, to.level2_cache_size, cpu.cache.level2_size);
  put(at, to.level2_cache_assoc, cpu.cache.level2_assoc);
  put(at, to.level2_cache_linesize, cpu.cache.level2_linesize);
  put(at, to.level3_cache_size, cpu.cache.level3_size);
  put(at, to.level3_cache_assoc, cpu.cache.level3_assoc);
  put(at, to.level3_cache_linesize, cpu.cache.level3_linesize);
  put(at, to.level4_cache_size, cpu.cache.level4_size);
  put(at, to.cachesize_non_temporal_divisor, cpu.non_temporal_divisor);
}

}  // namespace pagefold::ld::glibc
