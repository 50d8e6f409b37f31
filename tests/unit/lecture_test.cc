// docs/lecture.md is a promise: all 29 claims have a row, and a row that is not open names a chapter that tells the
// claim, tests and code that exist. The open ones are printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <sstream>

#include "tour/tour.h"

namespace pagefold {
namespace {

constexpr int kClaims = 29;
const std::filesystem::path kSource = PAGEFOLD_SOURCE_DIR;

struct Row {
  std::string claim, chapter, test, code;
  [[nodiscard]] bool open() const { return chapter == "open"; }
};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(trimmed(part));
  return parts;
}

std::string content_of(const std::filesystem::path& path) {
  const std::ifstream file(path);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// The rows of each claim; there should be one.
std::map<int, std::vector<Row>> rows() {
  std::map<int, std::vector<Row>> table;
  for (const std::string& line : split(content_of(kSource / "docs/lecture.md"), '\n')) {
    std::smatch number;
    if (!std::regex_search(line, number, std::regex("^\\| ([0-9]+) \\|"))) continue;
    const std::vector<std::string> cells = split(line.substr(1), '|');
    if (cells.size() == 5) table[std::stoi(number[1])].push_back({cells[1], cells[2], cells[3], cells[4]});
  }
  return table;
}

// Every `path` in a cell, without the backquotes.
std::vector<std::string> paths_in(const std::string& cell) {
  static const std::regex quoted("`([^`]+)`");
  std::vector<std::string> paths;
  for (std::sregex_iterator it(cell.begin(), cell.end(), quoted), end; it != end; ++it) paths.push_back((*it)[1]);
  return paths;
}

void expect_existing_files(const std::string& cell, int claim) {
  const std::vector<std::string> paths = paths_in(cell);
  EXPECT_FALSE(paths.empty()) << "claim " << claim << " names no file in: " << cell;
  for (const std::string& path : paths)
    EXPECT_TRUE(std::filesystem::is_regular_file(kSource / path)) << "claim " << claim << ": no file " << path;
}

TEST(Lecture, EveryClaimHasExactlyOneRow) {
  const auto table = rows();
  for (int claim = 1; claim <= kClaims; ++claim) {
    ASSERT_TRUE(table.contains(claim)) << "claim " << claim << " is not mapped";
    EXPECT_EQ(table.at(claim).size(), 1u) << "claim " << claim;
    EXPECT_FALSE(table.at(claim).front().claim.empty()) << "claim " << claim;
  }
  EXPECT_EQ(table.size(), static_cast<std::size_t>(kClaims));
}

TEST(Lecture, RowsThatAreNotOpenNameExistingTestsAndCode) {
  for (const auto& [claim, all] : rows()) {
    for (const Row& row : all) {
      if (row.open()) {
        EXPECT_EQ(row.test + row.code, "") << "claim " << claim << " is open, yet names something";
      } else {
        expect_existing_files(row.test, claim);
        expect_existing_files(row.code, claim);
      }
    }
  }
}

TEST(Lecture, RowsAndChaptersSayTheSame) {
  std::map<int, std::vector<std::string>> told;
  for (const tour::Chapter& chapter : tour::chapters())
    for (const tour::Claim& claim : chapter.claims) told[claim.number].push_back(chapter.name);
  for (const auto& [claim, all] : rows()) {
    for (const Row& row : all) {
      const auto named = row.open() ? std::vector<std::string>{} : split(row.chapter, ',');
      EXPECT_EQ(named, told[claim]) << "claim " << claim;
    }
  }
}

TEST(Lecture, EveryChapterIsATest) {
  const std::string list = content_of(kSource / "tests/tour/CMakeLists.txt");
  std::smatch names;
  ASSERT_TRUE(std::regex_search(list, names, std::regex("PAGEFOLD_TOUR_CHAPTERS ([^)]*)\\)")));
  const std::vector<std::string> tested = split(names[1], ' ');
  ASSERT_EQ(tested.size(), tour::chapters().size());
  for (const tour::Chapter& chapter : tour::chapters())
    EXPECT_NE(std::ranges::find(tested, chapter.name), tested.end()) << chapter.name;
}

TEST(Lecture, OpenClaimsAreListed) {
  int open = 0;
  std::cout << "open claims:";
  for (const auto& [claim, all] : rows()) {
    if (!all.front().open()) continue;
    std::cout << ' ' << claim;
    ++open;
  }
  std::cout << '\n';
  EXPECT_LE(open, 3) << "a claim that was told has become open again";
}

}  // namespace
}  // namespace pagefold
