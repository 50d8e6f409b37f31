// What the documents name is there: files, links, commands of make, and each room of the house in its description.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

const fs::path kRoot = PAGEFOLD_SOURCE_DIR;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> documents() {
  std::vector<fs::path> found = {kRoot / "README.md", kRoot / "CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(kRoot / "docs"))
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  return found;
}

// What the first group of the pattern matches.
Names matches(const std::string& text, const std::regex& pattern) {
  Names found;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), pattern); it != std::sregex_iterator(); ++it) found.insert((*it)[1].str());
  return found;
}

TEST(Docs, NameFilesThatExist) {
  static const std::regex path(R"re([`(]([\w.-]+(?:/[\w.-]+)+\.(?:cc|h|c|sh|md|txt|cmake)\b))re");
  std::size_t seen = 0;
  for (const fs::path& document : documents()) {
    for (const std::string& name : matches(text_of(document), path)) {
      const bool of_linux = name.starts_with("fs/") || name.starts_with("mm/");
      const bool there = fs::exists(kRoot / name) || fs::exists(kRoot / "src" / name) || fs::exists(kRoot / "src/ld" / name);
      EXPECT_TRUE(of_linux || there) << document << ": " << name;
      ++seen;
    }
  }
  EXPECT_GT(seen, 30U);
}

TEST(Docs, LinksLeadSomewhere) {
  static const std::regex link(R"re(\]\(([^)#:]+)\))re");
  std::size_t seen = 0;
  for (const fs::path& document : documents()) {
    for (const std::string& target : matches(text_of(document), link)) {
      EXPECT_TRUE(fs::exists(document.parent_path() / target)) << document << ": " << target;
      ++seen;
    }
  }
  EXPECT_GT(seen, 10U);
}

TEST(Docs, EveryDocumentIsReachedFromTheReadme) {
  const std::string readme = text_of(kRoot / "README.md");
  for (const fs::path& document : documents()) {
    const std::string name = document.filename();
    EXPECT_TRUE(name == "README.md" || readme.find(name) != std::string::npos) << name;
  }
}

TEST(Docs, TheArchitectureNamesEveryRoom) {
  const std::string text = text_of(kRoot / "docs/architecture.md");
  const auto named = [&](const fs::path& folder, const std::string& name) {
    const bool in_a_table = std::regex_search(text, std::regex("\n\\|[^|]*`" + name + "`[^|]*\\|"));
    EXPECT_TRUE(in_a_table || !fs::is_directory(folder)) << name;
  };
  for (const auto& room : fs::directory_iterator(kRoot / "src")) named(room, room.path().filename());
  for (const auto& room : fs::directory_iterator(kRoot / "src/kernel")) named(room, "kernel/" + room.path().filename().string());
}

TEST(Docs, CommandsOfMakeAreThere) {
  static const std::regex target(R"re((?:^|\n)([a-z-]+):.*## )re"), command(R"re(`make ([a-z-]+))re");
  const Names targets = matches(text_of(kRoot / "Makefile"), target);
  EXPECT_TRUE(targets.contains("test"));
  for (const fs::path& document : documents()) {
    for (const std::string& name : matches(text_of(document), command))
      EXPECT_TRUE(targets.contains(name)) << document << ": make " << name;
  }
}

}  // namespace
