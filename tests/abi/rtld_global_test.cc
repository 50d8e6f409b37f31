// The plain values of `_rtld_global`, `_rtld_global_ro` and the main thread's block against the genuine loader's, under
// each libc here.
#include <gtest/gtest.h>

#include "abi/run.h"

namespace {

using abi_test::run;

constexpr int kSame = 0, kLeftToGenuine = 2;

TEST(RtldGlobal, PlainValuesAreTheGenuineLoaders) {
  const auto own = run(ABI_RTLD_PROBE);
  if (own.code == kLeftToGenuine) GTEST_SKIP() << own.output;
  EXPECT_EQ(own.code, kSame) << own.output;
  for (const auto& libc : abi_test::other_libcs()) {
    const auto other = run(libc.prefix() + ABI_RTLD_PROBE);
    if (other.code != kLeftToGenuine) {
      EXPECT_EQ(other.code, kSame) << libc.version << "\n" << other.output;
    }
  }
}

TEST(RtldGlobal, TunablesReachTlsSurplusAndRseq) {
  const std::string tunables =
      "env GLIBC_TUNABLES=glibc.rtld.nns=7:glibc.rtld.optional_static_tls=2048:glibc.pthread.rseq=0 ";
  const auto own = run(tunables + ABI_RTLD_PROBE);
  if (own.code == kLeftToGenuine) GTEST_SKIP() << own.output;
  EXPECT_EQ(own.code, kSame) << own.output;
  for (const auto& libc : abi_test::other_libcs()) {
    const auto other = run(tunables + libc.prefix() + ABI_RTLD_PROBE);
    if (other.code != kLeftToGenuine) {
      EXPECT_EQ(other.code, kSame) << libc.version << "\n" << other.output;
    }
  }
}

TEST(RtldGlobal, PlatformStringIsIntelsUnderQemu) {
  if (!abi_test::has_command("qemu-x86_64")) GTEST_SKIP() << "qemu-x86_64 is missing (package qemu-user)";
  for (const char* cpu : {"Haswell", "KnightsMill", "EPYC"}) {
    const auto own = run(std::string("qemu-x86_64 -cpu ") + cpu + " " + ABI_RTLD_PROBE);
    if (own.code != kLeftToGenuine) {
      EXPECT_EQ(own.code, kSame) << cpu << "\n" << own.output;
    }
  }
}

}  // namespace
