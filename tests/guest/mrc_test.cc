// `pagefold mrc`: one run with sampled touches says what real runs under `--mem` then find.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

using nlohmann::json;

constexpr double kPage = 4096, kMiB = 1 << 20;

json run_with_report(const std::string& verb, std::vector<std::string> flags, const std::vector<std::string>& argv) {
  const FreshDirectory directory;
  Setting setting;
  setting.directory = directory.path();
  setting.timeout = std::chrono::seconds(100);
  setting.pagefold_flags = {verb, "-q", "--json", "report"};
  setting.pagefold_flags.insert(setting.pagefold_flags.end(), flags.begin(), flags.end());
  setting.pagefold_flags.emplace_back("--");
  const RunResult result = run(argv, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_FALSE(result.timed_out);
  return json::parse(std::ifstream(directory.path() + "/report"), nullptr, false);
}

// Pages that a curve says would be brought in with so much memory, in proportion between its points.
double foretold(const json& curve, double memory) {
  const auto& points = curve["points"];
  const double first = curve["first_pages"];
  for (std::size_t i = 1; i < points.size(); ++i) {
    const double low = points[i - 1]["memory_bytes"], high = points[i]["memory_bytes"];
    if (memory > high) continue;
    const double part = (memory - low) / (high - low), a = points[i - 1]["again_pages"], b = points[i]["again_pages"];
    return first + a + (b - a) * part;
  }
  return first + points.back()["again_pages"].get<double>();
}

// Those that a run under that limit did bring in.
double found(const json& curve, double memory, const std::vector<std::string>& argv) {
  const json report = run_with_report("run",
                                      {"--mem", fmt::format("{}K", static_cast<long>(memory) / 1024), "--policy", "lru", "--swap",
                                       "memory", "--fault-around=1"},
                                      argv);
  double again = 0;
  for (const auto& [kind, pages] : report["pressure"]["refaulted_pages"].items()) again += pages.get<double>();
  return curve["first_pages"].get<double>() + again;
}

void expect_agreement(const std::vector<std::string>& argv, const std::vector<std::string>& flags,
                      const std::vector<double>& parts) {
  const json curve = run_with_report("mrc", flags, argv);
  ASSERT_TRUE(curve.is_object());
  const double footprint = curve["footprint_bytes"];
  for (const double part : parts) {
    const double memory = footprint * part, said = foretold(curve, memory), was = found(curve, memory, argv);
    EXPECT_NEAR(said / was, 1, 0.1) << fmt::format("{:.1f} of {:.1f} MiB: {:.0f} foretold, {:.0f} found", memory / kMiB,
                                                   footprint / kMiB, said, was);
  }
}

std::vector<std::string> walk(const char* pattern, int pages, int touches) {
  return {guest_helper_directory() + "/walks_in_a_pattern", pattern, std::to_string(pages), std::to_string(touches)};
}

// A quarter of the pages is sampled in each.
const std::vector<std::string> kSampled = {"--samples", "1024"};

TEST(MissRatioCurve, ALoopMissesEverythingUntilItFits) {
  expect_agreement(walk("loop", 4096, 32768), kSampled, {0.4, 0.8, 1.2});
}
TEST(MissRatioCurve, RandomTouchesMissInProportion) {
  expect_agreement(walk("random", 4096, 40000), kSampled, {0.3, 0.6, 0.9});
}
// With less memory the pager sees too few touches for a true LRU, and brings in some 12 % more (docs/mrc.md).
TEST(MissRatioCurve, ZipfTouchesMissLessAndLess) {
  expect_agreement(walk("zipf", 4096, 60000), kSampled, {0.6, 0.75, 0.9});
}

TEST(MissRatioCurve, ARealProgramIsForetold) {
  expect_agreement({"/bin/sh", "-c", "seq 150000 | sort -S 12M | tail -n 1"}, {}, {0.7, 0.9, 1.1});
}

TEST(MissRatioCurve, SaysHowMuchIsEnough) {
  const json curve = run_with_report("mrc", {}, walk("loop", 4096, 20480));
  EXPECT_NEAR(curve["enough_bytes"].get<double>() / (4096 * kPage), 1, 0.15);
  EXPECT_EQ(curve["sampled_part"], 1.0);
}

TEST(MissRatioCurve, IsShownAgainFromAFile) {
  const FreshDirectory directory;
  Setting setting;
  setting.directory = directory.path();
  setting.pagefold_flags = {"mrc", "--json", "curve", "--"};
  const RunResult first = run(walk("random", 2048, 8000), Mode::Pagefold, setting);
  EXPECT_THAT(first.err, testing::HasSubstr("the miss-ratio curve of"));
  setting.pagefold_flags = {};
  const RunResult again = run({"mrc", "--from", "curve"}, Mode::Pagefold, setting);
  EXPECT_EQ(again.out, first.err);
}

}  // namespace
}  // namespace pagefold::guest_test
