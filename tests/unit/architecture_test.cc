// The rooms of src/ know each other downwards only. The table is the whole truth: an include of a room that does not stand in
// the includer's row is an error, and so is a room without a row.
//   cli -> kernel -> report, view (plain data and formatters) and cache, reclaim, pmap, frame -> vm -> event, elf, base
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Rooms = std::set<std::string>;

const std::map<std::string, Rooms> kMayInclude = {
    {"base", {}},
    {"event", {"base"}},
    {"elf", {"base"}},
    {"stub", {}},
    {"arch", {}},
    {"host", {"base"}},
    {"view", {"event", "base"}},
    {"report", {"event", "base"}},
    {"tour", {"event", "base"}},
    {"vm", {"event", "elf", "base"}},
    {"frame", {"vm", "event", "base"}},
    {"cache", {"frame", "vm", "event", "base"}},
    {"reclaim", {"frame", "vm", "event", "base"}},
    {"pmap", {"frame", "vm", "event", "base"}},
    {"kernel",
     {"view", "report", "host", "stub", "arch", "cache", "reclaim", "pmap", "frame", "vm", "event", "elf", "base"}},
    {"cli", {"tour", "kernel", "view", "report", "host", "event", "elf", "base"}},
};

struct Include {
  std::string file;
  std::string from;
  std::string to;
};

std::vector<Include> includes_below(const fs::path& source) {
  static const std::regex pattern(R"re(^\s*#\s*include\s+"([^/"]+)/[^"]+")re");
  std::vector<Include> found;
  for (const auto& entry : fs::recursive_directory_iterator(source)) {
    const std::string extension = entry.path().extension();
    if (extension != ".h" && extension != ".cc") continue;
    const fs::path relative = entry.path().lexically_relative(source);
    std::ifstream in(entry.path());
    for (std::string line; std::getline(in, line);) {
      std::smatch match;
      if (std::regex_search(line, match, pattern)) {
        found.push_back({relative.string(), relative.begin()->string(), match[1].str()});
      }
    }
  }
  return found;
}

TEST(Architecture, IncludesPointDownwards) {
  const std::vector<Include> includes = includes_below(fs::path(PAGEFOLD_SOURCE_DIR) / "src");
  ASSERT_FALSE(includes.empty());
  for (const Include& include : includes) {
    const auto row = kMayInclude.find(include.from);
    ASSERT_NE(row, kMayInclude.end()) << "src/" << include.file << ": the room '" << include.from << "' has no row here";
    EXPECT_TRUE(include.from == include.to || row->second.contains(include.to))
        << "src/" << include.file << " includes \"" << include.to << "/...\": " << include.from << " may not know "
        << include.to;
  }
}

// The table itself has no cycle: following its arrows always ends.
TEST(Architecture, PermittedArrowsFormNoCycle) {
  std::map<std::string, Rooms> left = kMayInclude;
  for (bool removed = true; removed;) {
    removed = std::erase_if(left, [&](const auto& row) {
                for (const std::string& room : row.second) {
                  if (left.contains(room)) return false;
                }
                return true;
              }) > 0;
  }
  EXPECT_TRUE(left.empty()) << "in a cycle: " << left.begin()->first;
}

}  // namespace
