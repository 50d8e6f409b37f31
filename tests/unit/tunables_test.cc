// GLIBC_TUNABLES as 2.36 (lenient) and 2.41 (strict) read it. Expectations were taken from `ld.so --list-tunables` of
// those releases.
#include "ld/abi/glibc/tunables.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

using namespace pagefold::ld::glibc;

const Build* build_of(uint32_t minor) {
  for (const Build& build : known_builds())
    if (build.minor == minor) return &build;
  return nullptr;
}

struct Reading {
  Tunables tunables;
  std::string reason;
  Reading(uint32_t minor, std::vector<const char*> environment) {
    environment.push_back(nullptr);
    const char* why = tunables.read(*build_of(minor), environment.data());
    reason = why ? why : "";
  }
  uint64_t operator[](const char* name) const { return tunables.number(name, 0xdead); }
};

TEST(Tunables, DefaultsAreTheTables) {
  for (const uint32_t minor : {36u, 41u}) {
    const Reading r(minor, {"PATH=/bin", "MALLOC"});
    EXPECT_EQ(r.reason, "");
    EXPECT_EQ(r["glibc.pthread.mutex_spin_count"], 100u);
    EXPECT_EQ(r["glibc.rtld.nns"], 4u);
    EXPECT_EQ(tls_surplus(r.tunables).surplus, 1664u);
    EXPECT_EQ(tls_surplus(r.tunables).optional, 512u);
  }
}

TEST(Tunables, ListSetsSeveralAndLaterWins) {
  for (const uint32_t minor : {36u, 41u}) {
    const Reading r(
        minor,
        {"GLIBC_TUNABLES=glibc.malloc.arena_max=0x2:glibc.malloc.perturb=010:glibc.malloc.arena_max=3:no.such=1"});
    EXPECT_EQ(r.reason, "");
    EXPECT_EQ(r["glibc.malloc.arena_max"], 3u);
    EXPECT_EQ(r["glibc.malloc.perturb"], 8u);
  }
}

TEST(Tunables, ValueOutOfRangeIsIgnored) {
  for (const uint32_t minor : {36u, 41u}) {
    const Reading r(minor, {"GLIBC_TUNABLES=glibc.malloc.perturb=256:glibc.malloc.arena_max=0"});
    EXPECT_EQ(r.reason, "");
    EXPECT_EQ(r["glibc.malloc.perturb"], 0u);
    EXPECT_EQ(r["glibc.malloc.arena_max"], 0u);
  }
}

TEST(Tunables, MalformedListIsSkippedBefore239AndHandedOverSince) {
  const std::vector<const char*> environment = {
      "GLIBC_TUNABLES=glibc.malloc.perturb=x7:glibc.malloc.arena_max:glibc.malloc.arena_max=5"};
  const Reading old(36, environment);
  EXPECT_EQ(old.reason, "");
  EXPECT_EQ(old["glibc.malloc.perturb"], 0u);
  EXPECT_EQ(old["glibc.malloc.arena_max"], 5u);
  EXPECT_EQ(Reading(41, environment).reason, "glibc.malloc.perturb");
  EXPECT_EQ(Reading(41, {"GLIBC_TUNABLES=glibc.malloc.perturb=1=2"}).reason, "GLIBC_TUNABLES");
  EXPECT_EQ(Reading(41, {"GLIBC_TUNABLES=glibc.malloc.perturb"}).reason, "GLIBC_TUNABLES");
}

TEST(Tunables, AliasYieldsToTheList) {
  for (const uint32_t minor : {36u, 41u}) {
    const Reading after(minor,
                        {"GLIBC_TUNABLES=glibc.malloc.arena_max=7", "MALLOC_ARENA_MAX=1", "MALLOC_TOP_PAD_=65536"});
    EXPECT_EQ(after["glibc.malloc.arena_max"], 7u);
    EXPECT_EQ(after["glibc.malloc.top_pad"], 65536u);
    const Reading before(minor, {"MALLOC_ARENA_MAX=1", "GLIBC_TUNABLES=glibc.malloc.arena_max=7"});
    EXPECT_EQ(before["glibc.malloc.arena_max"], 7u);
  }
}

TEST(Tunables, FirstAliasWinsBefore239AndLastSince) {
  const std::vector<const char*> environment = {"MALLOC_ARENA_MAX=1", "MALLOC_ARENA_MAX=2"};
  EXPECT_EQ(Reading(36, environment)["glibc.malloc.arena_max"], 1u);
  EXPECT_EQ(Reading(41, environment)["glibc.malloc.arena_max"], 2u);
}

TEST(Tunables, LoaderOnesAreHandedOver) {
  for (const char* one :
       {"glibc.cpu.hwcaps=-AVX2", "glibc.cpu.x86_rep_movsb_threshold=4096", "glibc.rtld.dynamic_sort=1"})
    for (const uint32_t minor : {36u, 41u})
      EXPECT_EQ(Reading(minor, {(std::string("GLIBC_TUNABLES=") + one).c_str()}).reason,
                std::string(one).substr(0, std::string(one).find('=')));
  EXPECT_EQ(Reading(36, {"LD_HWCAP_MASK=1"}).reason, "glibc.cpu.hwcap_mask");
  EXPECT_EQ(Reading(41, {"LD_PREFER_MAP_32BIT_EXEC=1"}).reason, "glibc.cpu.prefer_map_32bit_exec");
  EXPECT_EQ(Reading(41, {"GLIBC_TUNABLES=glibc.rtld.enable_secure=1"}).reason, "glibc.rtld.enable_secure");
  EXPECT_EQ(Reading(36, {"GLIBC_TUNABLES=glibc.pthread.rseq=0"}).reason, "");
}

TEST(Tunables, SurplusFollowsTheNamespaces) {
  const Reading r(36, {"GLIBC_TUNABLES=glibc.rtld.nns=1:glibc.rtld.optional_static_tls=4096"});
  EXPECT_EQ(tls_surplus(r.tunables).surplus, 1664u - 3 * 288 + 4096 - 512);
  EXPECT_EQ(tls_surplus(r.tunables).optional, 4096u);
}

TEST(Tunables, GetWritesTheTypesSizeAndCallsBackOnlyWhenSet) {
  static int calls;
  calls = 0;
  const Reading r(36, {"GLIBC_TUNABLES=glibc.malloc.perturb=5"});
  const Build& build = *build_of(36);
  const auto count = [](const void*) { calls++; };
  for (uint32_t i = 0; i < build.tunables; i++) {
    uint64_t room = ~0ull;
    r.tunables.get(i, &room, count);
    if (build.tunable[i].type == TunableType::kInt32)
      EXPECT_EQ(room >> 32, 0xffffffffu) << build.tunable[i].name;
    else
      EXPECT_NE(room, ~0ull) << build.tunable[i].name;
    if (std::string(build.tunable[i].name) == "glibc.malloc.perturb") {
      EXPECT_EQ(static_cast<uint32_t>(room), 5u);
    }
  }
  EXPECT_EQ(calls, 1);
}

TEST(Tunables, NumbersAreReadAsTheLoaderReadsThem) {
  const char* end;
  EXPECT_EQ(parse_number(" \t-1", &end), UINT64_MAX);
  EXPECT_EQ(parse_number("0x1F:", &end), 31u);
  EXPECT_EQ(*end, ':');
  EXPECT_EQ(parse_number("018", &end), 1u);
  EXPECT_EQ(*end, '8');
  EXPECT_EQ(parse_number("99999999999999999999", &end), UINT64_MAX);
  EXPECT_EQ(parse_number("", &end), 0u);
}

}  // namespace
