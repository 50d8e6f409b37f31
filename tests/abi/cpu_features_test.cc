// cpu_features, byte for byte as the genuine loader fills it: on this machine, under every other libc that is unpacked
// here, and on the processors that qemu-user can play (its CPUID reaches the genuine loader and ours alike).
#include <gtest/gtest.h>

#include "abi/run.h"
#include "ld/abi/glibc/cpu_features.h"

namespace {

using abi_test::Outcome;
using abi_test::run;

constexpr int kSame = 0, kLeftToGenuine = 2;

TEST(CpuFeatures, EveryByteIsTheGenuineLoadersOnThisMachine) {
  const Outcome outcome = run(ABI_CPU_PROBE);
  if (outcome.code == kLeftToGenuine) GTEST_SKIP() << outcome.output;
  EXPECT_EQ(outcome.code, kSame) << outcome.output;
}

TEST(CpuFeatures, EveryByteIsTheGenuineLoadersUnderOtherLibcs) {
  const auto libcs = abi_test::other_libcs();
  if (libcs.empty()) GTEST_SKIP() << "no other libc: run tools/glibc-layout-all.sh";
  for (const auto& libc : libcs) {
    const Outcome outcome = run(libc.prefix() + ABI_CPU_PROBE);
    if (outcome.code == kLeftToGenuine) continue;
    EXPECT_EQ(outcome.code, kSame) << libc.version << "\n" << outcome.output;
  }
}

// What qemu-user plays: names, and one processor's caches under another's family and model (leaf 2 with 0xff, leaves 4
// and 11).
constexpr const char* kProcessors[] = {"SandyBridge",
                                       "IvyBridge",
                                       "Haswell",
                                       "Broadwell",
                                       "Skylake-Client",
                                       "Skylake-Server",
                                       "Cascadelake-Server",
                                       "Icelake-Server-v4",
                                       "Denverton",
                                       "Snowridge",
                                       "KnightsMill",
                                       "Opteron_G4",
                                       "Opteron_G5",
                                       "EPYC",
                                       "EPYC-Rome",
                                       "EPYC-Milan",
                                       "max",
                                       "Haswell,model=63,stepping=4",
                                       "Haswell,model=28",
                                       "Haswell,model=54",
                                       "Haswell,model=87",
                                       "Haswell,model=142",
                                       "Haswell,-avx,-avx2,-fma",
                                       "EPYC-Rome,vendor=GenuineIntel,family=6,model=85,+ht",
                                       "EPYC-Rome,vendor=GenuineIntel,family=6,model=55,+ht,-avx",
                                       "EPYC-Rome,vendor=GenuineIntel,family=15,model=6,+ht",
                                       "EPYC-Rome,vendor=GenuineIntel,family=19,model=1",
                                       "EPYC,vendor=AuthenticAMD,family=21,model=96,+ht",
                                       "EPYC,family=20",
                                       "EPYC,-erms,-fsgsbase",
                                       "Haswell,-xsavec",
                                       "EPYC,-bmi2,-movbe"};

class CpuFeaturesOf : public testing::TestWithParam<const char*> {};

TEST_P(CpuFeaturesOf, EveryByteIsTheGenuineLoaders) {
  if (!abi_test::has_command("qemu-x86_64")) GTEST_SKIP() << "qemu-x86_64 is missing (package qemu-user)";
  const std::string emulate = std::string("qemu-x86_64 -cpu ") + GetParam() + " ";
  const Outcome own = run(emulate + ABI_CPU_PROBE);
  if (own.code == kLeftToGenuine && own.output.find("no table") != std::string::npos) GTEST_SKIP() << own.output;
  EXPECT_EQ(own.code, kSame) << own.output;
  for (const auto& libc : abi_test::other_libcs()) {
    const Outcome other = run(emulate + libc.prefix() + ABI_CPU_PROBE);
    EXPECT_EQ(other.code, kSame) << libc.version << "\n" << other.output;
  }
}

INSTANTIATE_TEST_SUITE_P(Processors, CpuFeaturesOf, testing::ValuesIn(kProcessors), [](const auto& each) {
  std::string name = each.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

// Those without XSAVE, and vendors whose rules are not written down here, belong to the genuine loader.
TEST(CpuFeatures, LeavesUnknownProcessorsToTheGenuineLoader) {
  using namespace pagefold::ld::glibc;
  struct Described {
    const char* vendor;  // 12 bytes in the order ebx, edx, ecx
    uint32_t leaf_1_ecx;
    bool known;
  };
  constexpr uint32_t kXsaveByKernel = 1u << 27;
  for (const Described each :
       {Described{"GenuineIntel", kXsaveByKernel, true}, Described{"GenuineIntel", 0, false},
        Described{"CentaurHauls", kXsaveByKernel, false}, Described{"HygonGenuine", kXsaveByKernel, false}}) {
    Cpuid cpuid(
        [](uint32_t leaf, uint32_t, void* context) {
          const auto& d = *static_cast<const Described*>(context);
          CpuidWords w = {};
          if (leaf == 0) {
            w.eax = 1;
            __builtin_memcpy(&w.ebx, d.vendor, 4);
            __builtin_memcpy(&w.edx, d.vendor + 4, 4);
            __builtin_memcpy(&w.ecx, d.vendor + 8, 4);
          }
          if (leaf == 1) w.ecx = d.leaf_1_ecx;
          return w;
        },
        [](void*) -> uint64_t { return 7; }, const_cast<Described*>(&each));
    CpuFeatures cpu;
    EXPECT_EQ(detect(cpu, cpuid, 36, 0), each.known) << each.vendor;
    EXPECT_FALSE(detect(cpu, cpuid, 38, 0)) << "rules of 2.38 are not known";
  }
}

TEST(CpuFeatures, AsksForEachLeafOnce) {
  using namespace pagefold::ld::glibc;
  Cpuid cpuid;
  CpuFeatures cpu;
  if (!detect(cpu, cpuid, 36, 0)) GTEST_SKIP() << "a processor for the genuine loader";
  const size_t once = cpuid.executed();
  EXPECT_TRUE(detect(cpu, cpuid, 36, 0));
  EXPECT_EQ(cpuid.executed(), once);
}

}  // namespace
