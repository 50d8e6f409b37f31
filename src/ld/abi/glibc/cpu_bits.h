// The processor features by name. The position of a feature - which leaf, register, bit - is public API of glibc
// (<sys/platform/x86.h>) and Intel's and AMD's manuals'; the order of the leaves is the order of glibc's `features`
// array.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pagefold::ld::glibc {

enum LeafIndex : uint8_t { k1, k7, k80000001, kD1, k80000007, k80000008, k7S1, k19, k14, k24, kLeaves };
enum Register : uint8_t { kEax, kEbx, kEcx, kEdx };

struct Feature {
  LeafIndex leaf;
  Register reg;
  uint8_t bit;
};

// One bit set a feature, in the shape of the `features` array.
struct FeatureWords {
  uint32_t word[kLeaves][4] = {};
  constexpr bool has(Feature f) const { return word[f.leaf][f.reg] >> f.bit & 1; }
  constexpr void set(Feature f) { word[f.leaf][f.reg] |= 1u << f.bit; }
  constexpr void clear(Feature f) { word[f.leaf][f.reg] &= ~(1u << f.bit); }
};

template <size_t n>
constexpr FeatureWords words_of(const Feature (&list)[n]) {
  FeatureWords words;
  for (const Feature& feature : list) words.set(feature);
  return words;
}

inline constexpr Feature kSse3{k1, kEcx, 0}, kPclmulqdq{k1, kEcx, 1}, kSsse3{k1, kEcx, 9}, kFma{k1, kEcx, 12},
    kCmpxchg16b{k1, kEcx, 13}, kSse41{k1, kEcx, 19}, kSse42{k1, kEcx, 20}, kMovbe{k1, kEcx, 22}, kPopcnt{k1, kEcx, 23},
    kAes{k1, kEcx, 25}, kXsave{k1, kEcx, 26}, kOsxsave{k1, kEcx, 27}, kAvx{k1, kEcx, 28}, kF16c{k1, kEcx, 29},
    kRdrand{k1, kEcx, 30};
inline constexpr Feature kFpu{k1, kEdx, 0}, kTsc{k1, kEdx, 4}, kCx8{k1, kEdx, 8}, kCmov{k1, kEdx, 15},
    kClfsh{k1, kEdx, 19}, kMmx{k1, kEdx, 23}, kFxsr{k1, kEdx, 24}, kSse{k1, kEdx, 25}, kSse2{k1, kEdx, 26},
    kHtt{k1, kEdx, 28};
inline constexpr Feature kFsgsbase{k7, kEbx, 0}, kBmi1{k7, kEbx, 3}, kHle{k7, kEbx, 4}, kAvx2{k7, kEbx, 5},
    kBmi2{k7, kEbx, 8}, kErms{k7, kEbx, 9}, kRtm{k7, kEbx, 11}, kAvx512f{k7, kEbx, 16}, kAvx512dq{k7, kEbx, 17},
    kRdseed{k7, kEbx, 18}, kAdx{k7, kEbx, 19}, kAvx512Ifma{k7, kEbx, 21}, kClflushopt{k7, kEbx, 23},
    kClwb{k7, kEbx, 24}, kAvx512pf{k7, kEbx, 26}, kAvx512er{k7, kEbx, 27}, kAvx512cd{k7, kEbx, 28}, kSha{k7, kEbx, 29},
    kAvx512bw{k7, kEbx, 30}, kAvx512vl{k7, kEbx, 31};
inline constexpr Feature kPrefetchwt1{k7, kEcx, 0}, kAvx512Vbmi{k7, kEcx, 1}, kPku{k7, kEcx, 3}, kOspke{k7, kEcx, 4},
    kWaitpkg{k7, kEcx, 5}, kAvx512Vbmi2{k7, kEcx, 6}, kGfni{k7, kEcx, 8}, kVaes{k7, kEcx, 9}, kVpclmulqdq{k7, kEcx, 10},
    kAvx512Vnni{k7, kEcx, 11}, kAvx512Bitalg{k7, kEcx, 12}, kAvx512Vpopcntdq{k7, kEcx, 14}, kRdpid{k7, kEcx, 22},
    kKl{k7, kEcx, 23}, kCldemote{k7, kEcx, 25}, kMovdiri{k7, kEcx, 27}, kMovdir64b{k7, kEcx, 28};
inline constexpr Feature kAvx5124vnniw{k7, kEdx, 2}, kAvx5124fmaps{k7, kEdx, 3}, kFsrm{k7, kEdx, 4},
    kAvx512Vp2intersect{k7, kEdx, 8}, kRtmAlwaysAbort{k7, kEdx, 11}, kSerialize{k7, kEdx, 14}, kTsxldtrk{k7, kEdx, 16},
    kAmxBf16{k7, kEdx, 22}, kAvx512Fp16{k7, kEdx, 23}, kAmxTile{k7, kEdx, 24}, kAmxInt8{k7, kEdx, 25};
inline constexpr Feature kLahf64{k80000001, kEcx, 0}, kLzcnt{k80000001, kEcx, 5}, kSse4a{k80000001, kEcx, 6},
    kPrefetchw{k80000001, kEcx, 8}, kXop{k80000001, kEcx, 11}, kFma4{k80000001, kEcx, 16}, kTbm{k80000001, kEcx, 21},
    kRdtscp{k80000001, kEdx, 27};
inline constexpr Feature kXsaveopt{kD1, kEax, 0}, kXsavec{kD1, kEax, 1}, kXgetbv1{kD1, kEax, 2}, kXfd{kD1, kEax, 4};
inline constexpr Feature kWbnoinvd{k80000008, kEbx, 9};
inline constexpr Feature kRaoInt{k7S1, kEax, 3}, kAvxVnni{k7S1, kEax, 4}, kAvx512Bf16{k7S1, kEax, 5},
    kCmpccxadd{k7S1, kEax, 7}, kFzlrm{k7S1, kEax, 10}, kFsrs{k7S1, kEax, 11}, kFsrcs{k7S1, kEax, 12},
    kAmxFp16{k7S1, kEax, 21}, kAvxIfma{k7S1, kEax, 23}, kAvxVnniInt8{k7S1, kEdx, 4}, kAvxNeConvert{k7S1, kEdx, 5},
    kAmxComplex{k7S1, kEdx, 8}, kPrefetchi{k7S1, kEdx, 14}, kAvx10{k7S1, kEdx, 19}, kApxF{k7S1, kEdx, 21};
inline constexpr Feature kAeskle{k19, kEbx, 0}, kWideKl{k19, kEbx, 2};
inline constexpr Feature kPtwrite{k14, kEbx, 4};
inline constexpr Feature kAvx10Xmm{k24, kEbx, 16}, kAvx10Ymm{k24, kEbx, 17}, kAvx10Zmm{k24, kEbx, 18};

}  // namespace pagefold::ld::glibc
