// What glibc prefers on which model of processor: `preferred`, and by what the shared cache is divided to get the size
// above which copies go past the caches. Intel numbers its family 6 by model (Intel SDM 4, table 2-1); the lists below
// are glibc's choices.
#include "ld/abi/glibc/cpu_features.h"

namespace pagefold::ld::glibc {
namespace {

constexpr uint8_t kBonnell[] = {0x1c, 0x26};
constexpr uint8_t kSaltwell[] = {0x27, 0x35, 0x36};
constexpr uint8_t kSilvermontToGoldmontPlus[] = {0x37, 0x4a, 0x4d, 0x5d, 0x4c, 0x5a, 0x75, 0x5c, 0x5f, 0x7a, 0x57};
constexpr uint8_t kTremont[] = {0x86, 0x96, 0x9c};
constexpr uint8_t kNehalemAndWestmere[] = {0x1a, 0x1e, 0x1f, 0x2e, 0x25, 0x2c, 0x2f};
constexpr uint8_t kSandyBridgeToBroadwell[] = {0x2a, 0x2d, 0x3a, 0x3e, 0x3c, 0x3f, 0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56};
constexpr uint8_t kHaswell[] = {0x3c, 0x3f, 0x45, 0x46};
constexpr uint8_t kSkylakeClient[] = {0x4e, 0x5e};
constexpr uint8_t kKabyLake[] = {0x8e, 0x9e};
constexpr uint8_t kSkylakeServer[] = {0x55};
constexpr uint8_t kCannonLake[] = {0x66};
// Comet, Ice, Tiger, Rocket Lake; Sapphire Rapids; Raptor Lake; Emerald Rapids; Meteor, Lunar, Arrow, Panther, Wildcat
// Lake; Granite Rapids; Lakefield, Alder Lake.
constexpr uint8_t kNewer[] = {0xa5, 0xa6, 0x6a, 0x6c, 0x7d, 0x7e, 0x9d, 0x8c, 0x8d, 0xa7, 0x8f, 0xb7, 0xba, 0xbf, 0xcf,
                              0xaa, 0xac, 0xbd, 0xb5, 0xc5, 0xc6, 0xcc, 0xd5, 0xad, 0xae, 0x8a, 0x97, 0x9a, 0xbe};

template <size_t n>
bool in(const uint8_t (&models)[n], uint32_t model) {
  for (const uint8_t one : models)
    if (one == model) return true;
  return false;
}

void prefer_unaligned(CpuFeatures& cpu) {
  cpu.prefer(kFastUnalignedLoad);
  cpu.prefer(kFastUnalignedCopy);
  cpu.prefer(kPreferPminubForStringop);
}

void tune_core(CpuFeatures& cpu) {
  cpu.prefer(kFastRepString);
  prefer_unaligned(cpu);
}

void tune_family_6(CpuFeatures& cpu) {
  const bool since_240 = cpu.minor >= 40;
  if (in(kBonnell, cpu.model) || (since_240 && in(kSaltwell, cpu.model))) {
    cpu.prefer(kSlowBsf);
  } else if (in(kSilvermontToGoldmontPlus, cpu.model)) {
    prefer_unaligned(cpu);
    cpu.prefer(kSlowSse42);
  } else if (in(kTremont, cpu.model)) {
    tune_core(cpu);
    cpu.prefer(kSlowSse42);
  } else if (in(kNehalemAndWestmere, cpu.model) || cpu.present.has(kAvx)) {
    tune_core(cpu);
  }
}

// TSX that microcode had to switch off.
void distrust_tsx(CpuFeatures& cpu) {
  const uint32_t model = cpu.model, stepping = cpu.stepping;
  const bool broken = (in(kSkylakeServer, model) && stepping <= 5) || (in(kKabyLake, model) && stepping <= 0xc) ||
                      in(kSkylakeClient, model);
  if (broken) {
    cpu.active.clear(kHle);
    cpu.active.clear(kRtm);
    cpu.active.set(kRtmAlwaysAbort);
  } else if (in(kHaswell, model) && !(model == 0x3f && stepping >= 4)) {
    cpu.active.clear(kRtm);
  }
}

uint64_t divisor(const CpuFeatures& cpu) {
  const uint32_t model = cpu.model;
  const bool nova_lake = cpu.family == 18 && (model == 1 || model == 3),
             diamond_rapids = cpu.family == 19 && model == 1;
  if (nova_lake || diamond_rapids) return 2;
  if (cpu.family != 6) return 4;
  if (in(kNehalemAndWestmere, model) || in(kSandyBridgeToBroadwell, model)) return 8;
  const bool skylake =
      in(kSkylakeClient, model) || in(kKabyLake, model) || in(kSkylakeServer, model) || in(kCannonLake, model);
  return skylake || in(kNewer, model) ? 2 : 4;
}

void prefer_on_intel(CpuFeatures& cpu) {
  if (cpu.family == 6) {
    tune_family_6(cpu);
    distrust_tsx(cpu);
  } else if (cpu.minor >= 40 && cpu.present.has(kAvx)) {
    tune_core(cpu);
  }
  if (cpu.minor >= 40) {
    cpu.non_temporal_divisor = divisor(cpu);
    if (cpu.family == 6 && (in(kSkylakeServer, cpu.model) || in(kCannonLake, cpu.model)))
      cpu.prefer(kAvoidNonTemporalMemset);
  }
  if (cpu.present.has(kAvx512er)) {  // Xeon Phi
    cpu.prefer(kPreferNoVzeroupper);
  } else {
    if (!cpu.present.has(kAvxVnni)) cpu.prefer(kPreferNoAvx512);  // those without it lower their clock for 512 bits
    if (cpu.active.has(kRtm)) cpu.prefer(kPreferNoVzeroupper);    // VZEROUPPER aborts a transaction
  }
  if (cpu.present.has(kFsrm)) cpu.prefer(kAvoidShortDistanceRepMovsb);
}

void prefer_on_amd(CpuFeatures& cpu) {
  if (cpu.active.has(kAvx) && cpu.present.has(kFma4)) cpu.active.set(kFma4);
  const bool excavator = cpu.family == 0x15 && cpu.model >= 0x60 && cpu.model <= 0x7f;
  if (!excavator) return;
  cpu.prefer(kFastUnalignedLoad);
  cpu.prefer(kFastCopyBackward);
  cpu.avoid(kAvxFastUnalignedLoad);
}

}  // namespace

void prefer_by_model(CpuFeatures& cpu) {
  cpu.vendor == Vendor::kIntel ? prefer_on_intel(cpu) : prefer_on_amd(cpu);
  if (cpu.present.has(kCx8)) cpu.prefer(kI586);
  if (cpu.present.has(kCmov)) cpu.prefer(kI686);
  if (cpu.minor >= 40 && !cpu.active.has(kErms)) cpu.prefer(kAvoidStosb);
}

}  // namespace pagefold::ld::glibc
