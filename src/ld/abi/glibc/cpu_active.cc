// Which features may be used: what CPUID reports, cut down to what the kernel saves and restores (XCR0). Each group of
// features hangs on one condition. Also the size of the area that saves the vector registers, and the ISA level
// (x86-64-v1 to v4).
#include "ld/abi/glibc/cpu_features.h"

namespace pagefold::ld::glibc {
namespace {

// Usable wherever they are present: no state of their own, or one that every kernel saves.
constexpr Feature kAlways[] = {
    kSse3,    kPclmulqdq,   kSsse3,     kCmpxchg16b, kSse41,    kSse42,     kMovbe,         kPopcnt,     kAes,
    kOsxsave, kTsc,         kCx8,       kCmov,       kClfsh,    kMmx,       kFxsr,          kSse,        kSse2,
    kHtt,     kBmi1,        kHle,       kBmi2,       kErms,     kRdseed,    kAdx,           kClflushopt, kClwb,
    kSha,     kOspke,       kWaitpkg,   kGfni,       kRdpid,    kRdrand,    kCldemote,      kMovdiri,    kMovdir64b,
    kFsrm,    kLahf64,      kLzcnt,     kSse4a,      kTbm,      kRdtscp,    kWbnoinvd,      kFzlrm,      kFsrs,
    kFsrcs,   kPrefetchwt1, kSerialize, kPtwrite,    kTsxldtrk, kPrefetchw, kRtmAlwaysAbort};
constexpr Feature kAlwaysSince241[] = {kRaoInt, kCmpccxadd, kPrefetchi};
constexpr Feature kWithAvx[] = {kAvx, kAvx2, kAvxVnni, kFma, kVaes, kVpclmulqdq, kXop, kF16c};
constexpr Feature kWithAvxSince241[] = {kAvxIfma, kAvxNeConvert, kAvxVnniInt8};
constexpr Feature kWithAvx512[] = {
    kAvx512f,     kAvx512cd,     kAvx512er,        kAvx512pf,           kAvx512vl,   kAvx512dq,
    kAvx512bw,    kAvx5124fmaps, kAvx5124vnniw,    kAvx512Bitalg,       kAvx512Ifma, kAvx512Vbmi,
    kAvx512Vbmi2, kAvx512Vnni,   kAvx512Vpopcntdq, kAvx512Vp2intersect, kAvx512Bf16, kAvx512Fp16};
constexpr Feature kWithAmx[] = {kAmxBf16, kAmxTile, kAmxInt8};
constexpr Feature kWithAmxSince241[] = {kAmxFp16, kAmxComplex};
constexpr Feature kWithXsave[] = {kXsaveopt, kXsavec, kXgetbv1, kXfd};

// XCR0: state components that the kernel has enabled (Intel SDM 1, 13.3).
constexpr uint64_t kXmmYmm = 1 << 1 | 1 << 2, kZmm = 1 << 5 | 1 << 6 | 1 << 7, kTiles = 1 << 17 | 1 << 18,
                   kApx = 1 << 19;

template <const auto& list>
void allow(CpuFeatures& cpu) {
  constexpr FeatureWords kMask = words_of(list);
  for (size_t leaf = 0; leaf < kLeaves; leaf++)
    for (size_t reg = 0; reg < 4; reg++)
      cpu.active.word[leaf][reg] |= cpu.present.word[leaf][reg] & kMask.word[leaf][reg];
}

void allow_one(CpuFeatures& cpu, Feature feature) {
  if (cpu.present.has(feature)) cpu.active.set(feature);
}

void allow_vectors(CpuFeatures& cpu, uint64_t xcr0) {
  if ((xcr0 & kXmmYmm) != kXmmYmm) return;
  if (cpu.present.has(kAvx)) {
    allow<kWithAvx>(cpu);
    if (cpu.minor >= 41) allow<kWithAvxSince241>(cpu);
    if (cpu.present.has(kAvx2)) cpu.prefer(kAvxFastUnalignedLoad);
  }
  if ((xcr0 & kZmm) == kZmm && cpu.present.has(kAvx512f)) allow<kWithAvx512>(cpu);
}

// AVX10 has a leaf of its own for the vector lengths.
void allow_avx10(CpuFeatures& cpu, Cpuid& cpuid, uint64_t xcr0) {
  allow_one(cpu, kAvx10);
  if (!cpu.present.has(kAvx10) || cpu.max_leaf < 0x24) return;
  const CpuidWords w = cpuid(0x24, 0);
  uint32_t* to = cpu.present.word[k24];
  to[kEax] = w.eax, to[kEbx] = w.ebx, to[kEcx] = w.ecx, to[kEdx] = w.edx;
  allow_one(cpu, kAvx10Xmm);
  if ((xcr0 & kXmmYmm) != kXmmYmm) return;
  if (cpu.present.has(kAvx)) allow_one(cpu, kAvx10Ymm);
  if ((xcr0 & kZmm) == kZmm) allow_one(cpu, kAvx10Zmm);
}

constexpr uint32_t align_64(uint32_t size) { return (size + 63) & ~63u; }

// Size and alignment of one state component. Those of AVX and AVX-512 are architectural (Intel SDM 1, 13.5; AMD APM
// 2, 11.5) and not asked for: a CPUID in a virtual machine costs microseconds. Unsupported components have none.
struct Component {
  uint32_t size;
  bool aligned;  // to 64 bytes
};
Component component(Cpuid& cpuid, uint32_t supported, uint32_t i) {
  if (!(supported >> i & 1)) return {0, false};
  switch (i) {
    case 2:
      return {256, false};  // upper halves of ymm0-15
    case 5:
      return {64, false};  // k0-7
    case 6:
      return {512, false};  // upper halves of zmm0-15
    case 7:
      return {1024, false};  // zmm16-31
    default:
      break;
  }
  const CpuidWords w = cpuid(0xd, i);
  return {w.eax, (w.ecx >> 1 & 1) != 0};
}

// The compacted XSAVE area of the components in `mask`, in the order of their numbers, behind x87, SSE and the header
// (576 bytes).
struct Compacted {
  uint32_t end, tiles;  // bytes to the end; how many of them AMX takes
};
Compacted compacted(Cpuid& cpuid, uint32_t mask, uint32_t last) {
  constexpr uint32_t kTileConfig = 17, kAfterTileData = 19;
  const uint32_t supported = cpuid(0xd, 0).eax & mask;
  uint32_t offset = 576, size = 0, tile_config = 0, after_tiles = 0;
  for (uint32_t i = 2; i <= last; i++) {
    const Component c = component(cpuid, supported, i);
    if (i > 2) {
      offset += size;
      if (c.aligned) offset = align_64(offset);
    }
    size = c.size;
    if (i == kTileConfig) tile_config = offset;
    if (i == kAfterTileData) after_tiles = offset;
  }
  return {offset + size, after_tiles - tile_config};
}

// What lazy binding must save: glibc's registers in front of it (64 bytes, since 2.39 88), then the components that
// calls may change.
void measure_xsave(CpuFeatures& cpu, Cpuid& cpuid) {
  if (cpu.max_leaf < 0xd) return;
  const uint32_t full = cpuid(0xd, 0).ebx;
  if (full == 0) return;
  const bool since_239 = cpu.minor >= 39;
  const uint32_t registers = since_239 ? 64 + 24 : 64;
  const uint32_t components = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7;
  cpu.xsave_size = cpu.xsave_full_size = align_64(full + registers);
  if (!cpu.present.has(kXsavec)) return;
  const Compacted area =
      since_239 ? compacted(cpuid, components | 1 << 17 | 1 << 18 | 1 << 19, 19) : compacted(cpuid, components, 31);
  if (area.end == 0) return;
  cpu.xsave_size = align_64(area.end + registers) - (since_239 ? area.tiles : 0);
  cpu.active.set(kXsavec);
}

// x86-64 psABI, micro-architecture levels; each includes the one before.
constexpr Feature kV1[] = {kCmov, kCx8, kFxsr, kMmx, kSse, kSse2};
constexpr Feature kV2[] = {kCmpxchg16b, kLahf64, kPopcnt, kSse3, kSsse3, kSse41, kSse42};
constexpr Feature kV3[] = {kAvx, kAvx2, kBmi1, kBmi2, kF16c, kFma, kLzcnt, kMovbe};
constexpr Feature kV4[] = {kAvx512f, kAvx512bw, kAvx512cd, kAvx512dq, kAvx512vl};

template <size_t n>
bool usable(const CpuFeatures& cpu, const Feature (&list)[n]) {
  for (const Feature& feature : list)
    if (!cpu.active.has(feature)) return false;
  return true;
}

uint32_t isa_level(const CpuFeatures& cpu) {
  if (!usable(cpu, kV1) || !cpu.present.has(kFpu)) return 0;
  if (!usable(cpu, kV2)) return 0x1;
  if (!usable(cpu, kV3)) return 0x3;
  return usable(cpu, kV4) ? 0xf : 0x7;
}

}  // namespace

void set_active(CpuFeatures& cpu, Cpuid& cpuid, uint64_t hwcap2) {
  constexpr uint64_t kHwcap2Fsgsbase = 1 << 1;
  allow<kAlways>(cpu);
  if (cpu.minor >= 41) allow<kAlwaysSince241>(cpu);
  if (!cpu.present.has(kRtmAlwaysAbort)) allow_one(cpu, kRtm);
  const uint64_t xcr0 = cpuid.xcr0();
  allow_vectors(cpu, xcr0);
  if (cpu.minor >= 41) allow_avx10(cpu, cpuid, xcr0);
  if ((xcr0 & kTiles) == kTiles) {
    allow<kWithAmx>(cpu);
    if (cpu.minor >= 41) allow<kWithAmxSince241>(cpu);
  }
  if (cpu.minor >= 41 && (xcr0 & kApx)) allow_one(cpu, kApxF);
  cpu.active.set(kXsave);
  allow<kWithXsave>(cpu);
  measure_xsave(cpu, cpuid);
  if (cpu.present.has(kOspke)) cpu.active.set(kPku);
  if (cpu.present.has(kAeskle)) {
    cpu.active.set(kAeskle);
    allow_one(cpu, kKl);
    allow_one(cpu, kWideKl);
  }
  if (cpu.minor >= 41 && (hwcap2 & kHwcap2Fsgsbase)) allow_one(cpu, kFsgsbase);
  cpu.isa_level = isa_level(cpu);
}

}  // namespace pagefold::ld::glibc
