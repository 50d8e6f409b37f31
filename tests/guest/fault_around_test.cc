// Pages that come ahead of need: how much they save, and that they can be switched off.
#include <gtest/gtest.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

nlohmann::json story(const std::vector<std::string>& argv, std::vector<std::string> options = {}) {
  const FreshDirectory directory;
  const std::string file = directory.path() + "/story.json";
  Setting setting;
  setting.pagefold_flags = {"run", "-q", "--json", file};
  setting.pagefold_flags.insert(setting.pagefold_flags.end(), options.begin(), options.end());
  setting.pagefold_flags.emplace_back("--");
  EXPECT_EQ(run(argv, Mode::Pagefold, setting).status, 0);
  return nlohmann::json::parse(std::ifstream(file));
}

std::int64_t faults(const nlohmann::json& story) {
  std::int64_t all = 0;
  for (const auto& cause : story.at("faults")) all += cause.at("count").get<std::int64_t>();
  return all;
}

// Those that gave a program memory of its own.
std::int64_t private_faults(const nlohmann::json& story) {
  return story.at("faults").at("zero_fill").at("count").get<std::int64_t>() +
         story.at("faults").at("copy_on_write").at("count").get<std::int64_t>();
}

std::int64_t ahead(const nlohmann::json& story) {
  return story.at("memory").at("peak_speculative_bytes").get<std::int64_t>();
}

TEST(FaultAround, WhatOneProgramNeededOfAFileTheNextGetsAtItsFirstTouch) {
  const std::int64_t alone = faults(story({"/bin/true"}));
  const auto loop = [](int count) {
    return faults(story({"/bin/sh", "-c", "for i in $(seq " + std::to_string(count) + "); do /bin/true; done"}));
  };
  // Faults of the shell's side of a fork are counted here, too; a program that starts alone has none of these.
  EXPECT_LT((loop(9) - loop(1)) / 8, alone * 3 / 4);
}

// The program touches some thirty pages of its data and bss at each start; what it spawns others from is not forked. Pages of
// the program and of its loader are there before it starts, those of the C library come with the first touch.
TEST(FaultAround, WhatOneStartNeededTheNextStartHas) {
  const auto starts = [](const char* count) { return story({guest_directory() + "/data_and_bss_at_every_start", count}); };
  const auto once = starts("1"), often = starts("9");
  EXPECT_LT((private_faults(often) - private_faults(once)) / 8, 8);
  EXPECT_LT((faults(often) - faults(once)) / 8, 12);
}

TEST(FaultAround, OfOnePageBringsNothingAheadOfNeed) {
  const auto with = story({"/bin/ls", "/"}), without = story({"/bin/ls", "/"}, {"--fault-around=1"});
  EXPECT_GT(ahead(with), 0);
  EXPECT_EQ(ahead(without), 0);
  EXPECT_GT(faults(without), faults(with));
}

}  // namespace
}  // namespace pagefold::guest_test
