// `_rtld_global_ro._dl_x86_cpu_features` as the genuine ld.so fills it, byte for byte: every IFUNC of libc and libm
// decides by it, so a bit more or less runs another memcpy. `detect` computes, in terms of this file; `store` writes it
// where the layout says.
//
// Exact for Intel and AMD processors and the glibc releases that `knows_cpu_rules` names. For every other case, and
// whenever GLIBC_TUNABLES speaks of the processor (glibc.cpu.*), the caller hands over to the genuine loader.
#pragma once

#include "ld/abi/glibc/cpu_bits.h"
#include "ld/abi/glibc/cpuid.h"
#include "ld/abi/glibc/layout.h"

namespace pagefold::ld::glibc {

enum class Vendor : uint8_t { kIntel, kAmd, kHygon, kOther };

// Bits of `preferred`, in the order of 2.41; `store` translates.
enum Preferred : uint8_t {
  kFastRepString,
  kFastCopyBackward,
  kSlowBsf,
  kFastUnalignedLoad,
  kPreferPminubForStringop,
  kFastUnalignedCopy,
  kI586,
  kI686,
  kSlowSse42,
  kAvxFastUnalignedLoad,
  kPreferMap32bitExec,  // since 2.37
  kPreferNoVzeroupper,
  kPreferErms,
  kPreferNoAvx512,
  kMathvecPreferNoAvx512,
  kPreferFsrm,
  kAvoidShortDistanceRepMovsb,
  kAvoidNonTemporalMemset,  // since 2.40
  kAvoidStosb,              // since 2.40
};

// Bytes; associativity in ways. -1 (all ones): unknown, as glibc writes it.
struct CacheSizes {
  uint64_t level1_icache_size, level1_icache_linesize;
  uint64_t level1_dcache_size, level1_dcache_assoc, level1_dcache_linesize;
  uint64_t level2_size, level2_assoc, level2_linesize;
  uint64_t level3_size, level3_assoc, level3_linesize;
  uint64_t level4_size;
};

// What the string functions are steered by, bytes.
struct Thresholds {
  uint64_t data_cache_size, shared_cache_size;
  uint64_t non_temporal, memset_non_temporal;
  uint64_t rep_movsb, rep_movsb_stop, rep_stosb;
};

struct CpuFeatures {
  uint32_t minor;  // of glibc: 36, 41
  Vendor vendor;
  uint32_t max_leaf, max_extended_leaf;
  uint32_t family, model, stepping;
  FeatureWords present, active;
  uint32_t preferred;
  uint32_t isa_level;
  uint64_t xsave_size;  // bytes that glibc's lazy binding saves, its integer registers included
  uint32_t xsave_full_size;
  uint64_t non_temporal_divisor;
  CacheSizes cache;
  Thresholds threshold;
  // Decided along with them, stored elsewhere in `_rtld_global_ro`.
  uint64_t hwcap;
  char platform[12];      // what $PLATFORM becomes instead of AT_PLATFORM; empty: stays
  uint32_t signal_stack;  // the minimum in bytes where the kernel gives no AT_MINSIGSTKSZ

  bool prefers(Preferred bit) const { return preferred >> bit & 1; }
  void prefer(Preferred bit) { preferred |= 1u << bit; }
  void avoid(Preferred bit) { preferred &= ~(1u << bit); }
};

constexpr bool knows_cpu_rules(uint32_t minor) { return minor == 36 || minor == 41; }

// False: a processor or a glibc whose rules this file does not know exactly. `hwcap2`: AT_HWCAP2.
bool detect(CpuFeatures& cpu, Cpuid& cpuid, uint32_t minor, uint64_t hwcap2);

// Writes `cpu` as struct cpu_features to `at`, which must be zero.
void store(const CpuFeatures& cpu, const Layout& layout, void* at);

// Parts of `detect`, in its order.
void set_active(CpuFeatures& cpu, Cpuid& cpuid, uint64_t hwcap2);
void prefer_by_model(CpuFeatures& cpu);
bool measure_caches(CpuFeatures& cpu, Cpuid& cpuid);  // false: releases differ here

}  // namespace pagefold::ld::glibc
