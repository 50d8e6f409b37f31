// `pagefold mrc`: one run with sampled touches says what real runs under `--mem` then find.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
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
double found(const json& curve, double memory, const std::string& policy, const std::vector<std::string>& argv) {
  const json report = run_with_report("run",
                                      {"--mem", fmt::format("{}K", static_cast<long>(memory) / 1024), "--policy", policy, "--swap",
                                       "memory", "--fault-around=1"},
                                      argv);
  double again = 0;
  for (const auto& [kind, pages] : report["pressure"]["refaulted_pages"].items()) again += pages.get<double>();
  return curve["first_pages"].get<double>() + again;
}

std::vector<std::string> walk(const char* pattern, int pages, int touches) {
  return {guest_helper_directory() + "/walks_in_a_pattern", pattern, std::to_string(pages), std::to_string(touches)};
}

// Many lines, for programs that need nobody else to make them: what they bring in hangs on nobody's being scheduled when.
std::string numbers() {
  static const FreshDirectory directory;
  static const std::string path = [] {
    std::ofstream out(directory.path() + "/numbers");
    for (int i = 0; i < 150000; ++i) out << i << '\n';
    return directory.path() + "/numbers";
  }();
  return path;
}

constexpr const char* kRandomWrites =
    "my ($x, $text) = (1, 'x' x 12000000);"
    "for (1 .. 40000) { $x = ($x * 1103515245 + 12345) % 2147483648; substr($text, $x % 12000000, 1) = 'y'; }";

struct Foretold {
  const char* name;
  std::function<std::vector<std::string>()> argv;
  const char* policy;
  const char* samples;
  std::vector<double> parts;  // of the footprint
};
void PrintTo(const Foretold& what, std::ostream* out) { *out << what.name; }

class MissRatioCurve : public testing::TestWithParam<Foretold> {};

TEST_P(MissRatioCurve, AgreesWithRunsUnderALimit) {
  const auto& [name, make_argv, policy, samples, parts] = GetParam();
  const auto argv = make_argv();
  const json curve = run_with_report("mrc", {"--policy", policy, "--samples", samples}, argv);
  ASSERT_TRUE(curve.is_object());
  const double footprint = curve["footprint_bytes"];
  fmt::print("{:>9}  {:>9}  {:>9}\n", "memory", "foretold", "found");
  for (const double part : parts) {
    const double memory = footprint * part, said = foretold(curve, memory), was = found(curve, memory, policy, argv);
    fmt::print("{:>5.1f} MiB  {:>9.0f}  {:>9.0f}  {:+.1f} %\n", memory / kMiB, said, was, 100 * (said / was - 1));
    EXPECT_NEAR(said / was, 1, 0.1) << part << " of " << footprint / kMiB << " MiB";
  }
}

// Of the patterns a quarter of the pages is sampled; half of them where few pages have most of the touches, and chance decides which of
// these are in the sample.
INSTANTIATE_TEST_SUITE_P(
    , MissRatioCurve,
    testing::Values(
        Foretold{"Loop", [] { return walk("loop", 4096, 32768); }, "lru", "1024", {0.4, 0.8, 1.2}},
        Foretold{"Random", [] { return walk("random", 4096, 40000); }, "lru", "1024", {0.3, 0.6, 0.9}},
        Foretold{"Zipf", [] { return walk("zipf", 4096, 60000); }, "lru", "2048", {0.2, 0.3, 0.45, 0.6, 0.9}},
        Foretold{"ZipfUnderClock", [] { return walk("zipf", 4096, 60000); }, "clock", "2048", {0.3, 0.6, 0.9}},
        Foretold{"ZipfUnderS3Fifo", [] { return walk("zipf", 4096, 60000); }, "s3fifo", "2048", {0.3, 0.6, 0.9}},
        Foretold{"ScanAndHotSet", [] { return walk("hot", 4096, 60000); }, "lru", "1024", {0.3, 0.6, 0.9}},
        Foretold{"ScanAndHotSetUnderS3Fifo", [] { return walk("hot", 4096, 60000); }, "s3fifo", "1024", {0.3, 0.6, 0.9}},
        Foretold{"Sort", [] { return std::vector<std::string>{"sort", "-S", "12M", "--parallel=1", numbers()}; }, "lru", "8192", {0.5, 0.7, 1.1}},
        Foretold{"Perl", [] { return std::vector<std::string>{"perl", "-e", kRandomWrites}; }, "lru", "8192", {0.4, 0.7, 0.9}}),
    [](const auto& what) { return std::string(what.param.name); });

TEST(MissRatio, SaysHowMuchIsEnough) {
  const json curve = run_with_report("mrc", {}, walk("loop", 4096, 20480));
  EXPECT_NEAR(curve["enough_bytes"].get<double>() / (4096 * kPage), 1, 0.15);
  EXPECT_EQ(curve["sampled_part"], 1.0);
}

TEST(MissRatio, IsShownAgainFromAFile) {
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
