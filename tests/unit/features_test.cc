// The host's features: parsing of what /proc says, on real texts of other systems, and the promises of the whole report.
#include "host/features.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/doctor.h"
#include "host/probes.h"

namespace pagefold::host {
namespace {

TEST(KernelVersion, ReadsReleasesOfDistributions) {
  for (const auto& [release, major, minor] : {std::tuple{"6.1.0-13-amd64", 6, 1}, std::tuple{"6.18.44", 6, 18},
                                              std::tuple{"5.15.0-91-generic", 5, 15}, std::tuple{"7.0-rc1", 7, 0}}) {
    const Result<KernelVersion> version = parse_kernel_version(release);
    ASSERT_TRUE(version) << release;
    EXPECT_EQ(version->major, major);
    EXPECT_EQ(version->minor, minor);
  }
}

TEST(KernelVersion, ComparesByNumberNotByText) {
  EXPECT_TRUE(*parse_kernel_version("6.10.1") >= *parse_kernel_version("6.9"));
  EXPECT_TRUE(*parse_kernel_version("7.0") >= *parse_kernel_version("6.9"));
  EXPECT_FALSE(*parse_kernel_version("5.19") >= *parse_kernel_version("6.1"));
}

TEST(KernelVersion, RefusesWhatIsNoVersion) {
  for (const char* release : {"", "6", "six.one", "6.x"}) EXPECT_FALSE(parse_kernel_version(release)) << release;
}

TEST(Cgroup2, IsFoundOnUnifiedHybridAndOddlyNamedMounts) {
  const std::string unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
  EXPECT_EQ(*own_cgroup2(unified, "0::/user.slice/a.scope\n"), "/sys/fs/cgroup/user.slice/a.scope");

  const std::string hybrid =
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(*own_cgroup2(hybrid, "4:memory:/x\n0::/\n"), "/sys/fs/cgroup/unified");

  EXPECT_EQ(*own_cgroup2("1 2 0:3 / /mnt/c\\040group rw - cgroup2 none rw\n", "0::/a\n"), "/mnt/c group/a");
}

TEST(Cgroup2, OfAPartMountedInAContainerIsRelativeToThatPart) {
  const std::string part = "30 23 0:26 /box/7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
  EXPECT_EQ(*own_cgroup2(part, "0::/box/7/guest\n"), "/sys/fs/cgroup/guest");
  EXPECT_EQ(*own_cgroup2(part, "0::/box/7\n"), "/sys/fs/cgroup");
  EXPECT_EQ(own_cgroup2(part, "0::/box/77\n").error().code, ENOENT);
}

TEST(Cgroup2, IsMissingWhereOnlyVersionOneIsMounted) {
  EXPECT_EQ(own_cgroup2("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "0::/\n").error().code, ENOENT);
  EXPECT_EQ(own_cgroup2("", "4:memory:/\n").error().code, ENOENT);
}

TEST(Features, EveryMissingOneSaysWhatItIsForAndHowToFixIt) {
  const Features features = probe_features();
  ASSERT_FALSE(features.findings.empty());
  for (const Finding& finding : features.findings) {
    EXPECT_FALSE(finding.purpose.empty()) << finding.key;
    EXPECT_EQ(finding.remedy.empty(), finding.status == Status::Present) << finding.key;
  }
}

TEST(Features, ProbesLeaveNoDescriptorBehind) {
  const auto open_files = [] {
    const std::filesystem::directory_iterator files("/proc/self/fd");
    return std::distance(begin(files), end(files));
  };
  probe_features();
  const auto before = open_files();
  probe_features();
  EXPECT_EQ(open_files(), before);
}

TEST(Features, AMachineLackingOnlyOptionalOnesIsRunnable) {
  Features features;
  features.findings.push_back({"a", "a", Need::Optional, Status::Missing, "", {}, "p", "r"});
  EXPECT_TRUE(features.runnable());
  features.findings.push_back({"b", "b", Need::Required, Status::Missing, "", {}, "p", "r"});
  EXPECT_FALSE(features.runnable());
}

TEST(Features, RequireRunnableNeverRefusesWhereDoctorIsContent) {
  if (!probe_features().runnable()) GTEST_SKIP() << "Pagefold cannot run on this machine: see pagefold doctor";
  const Result<void> outcome = require_runnable();
  EXPECT_TRUE(outcome) << outcome.error().message();
}

TEST(LoaderLibc, AKnownOneIsNamedByItsPackageVersion) {
  const Result<std::string> known = probe_loader_libc(system_libc());
  if (!known && known.error().code == ENOTSUP) GTEST_SKIP() << known.error().message();
  ASSERT_TRUE(known) << known.error().message();
  EXPECT_TRUE(known->starts_with(system_libc() + " 2.")) << *known;
}

TEST(LoaderLibc, AnUnknownBuildIdIsReportedWithItsNumber) {
  const std::string copy = std::filesystem::temp_directory_path() / ("libc-" + std::to_string(::getpid()) + ".so.6");
  std::filesystem::copy_file(system_libc(), copy, std::filesystem::copy_options::overwrite_existing);
  std::string bytes(std::filesystem::file_size(copy), '\0');
  {
    std::ifstream(copy, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const size_t note = bytes.find(std::string("\x14\0\0\0\x03\0\0\0GNU\0", 12));
    ASSERT_NE(note, std::string::npos);
    bytes[note + 12] = static_cast<char>(bytes[note + 12] ^ 1);
    std::ofstream(copy, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  const Result<std::string> known = probe_loader_libc(copy);
  std::filesystem::remove(copy);
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code, ENOTSUP);
  EXPECT_NE(known.error().message().find("build-id"), std::string::npos) << known.error().message();
}

TEST(LoaderLibc, WhatIsNoLibcIsAnErrorNotAGuess) {
  EXPECT_EQ(probe_loader_libc("/nowhere").error().code, ENOENT);
  EXPECT_EQ(probe_loader_libc("/etc/passwd").error().code, ENOEXEC);
  EXPECT_FALSE(probe_loader_libc("/bin/sh"));
}

TEST(Doctor, PlainTextHoldsNoEscapeAndNamesTheFix) {
  Features features;
  features.findings.push_back({"b", "thing", Need::Required, Status::Missing, "gone", {}, "flying", "buy wings"});
  const std::string text = cli::render_features(features, false);
  EXPECT_EQ(text.find('\033'), std::string::npos);
  EXPECT_NE(text.find("thing: gone"), std::string::npos);
  EXPECT_NE(text.find("fix: buy wings"), std::string::npos);
  EXPECT_NE(cli::render_features(features, true).find('\033'), std::string::npos);
}

TEST(Doctor, JsonSaysTheSameAsTheFindings) {
  const Features features = probe_features();
  const auto document = nlohmann::json::parse(cli::features_to_json(features));
  EXPECT_EQ(document["schema_version"], 1);
  EXPECT_EQ(document["runnable"], features.runnable());
  ASSERT_EQ(document["features"].size(), features.findings.size());
  EXPECT_EQ(document["features"][0]["key"], "kernel");
}

}  // namespace
}  // namespace pagefold::host
