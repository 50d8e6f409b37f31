// The rooms of src/ know each other downwards only. The table is the whole truth: an include of a room that does not stand in
// the includer's row is an error, and so is a room without a row.
//   cli -> tour, crash, kernel -> report, view (plain data and formatters) and cache, pmap, frame -> vm -> event, base
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Rooms = std::set<std::string>;

const std::map<std::string, Rooms> kMayInclude = {
    {"base", {}},
    {"stub", {}},
    {"elf", {}},
    {"ld", {"elf"}},
    {"event", {"base"}},
    {"host", {"ld", "base"}},
    {"view", {"base"}},
    {"inject", {"base"}},
    {"report", {"event", "base"}},
    {"tour", {"event", "base"}},
    {"crash", {"event", "base"}},
    {"vm", {"event", "base"}},
    {"frame", {"vm", "base"}},
    {"cache", {"frame", "vm", "base"}},
    {"pmap", {"frame", "vm", "base"}},
    {"reclaim", {"vm", "base"}},
    {"mrc", {"reclaim", "report", "base"}},
    {"kernel",
     {"elf", "stub", "host", "cache", "pmap", "reclaim", "frame", "vm", "view", "report", "inject", "event", "base"}},
    {"cli", {"kernel", "inject", "reclaim", "mrc", "crash", "view", "report", "tour", "host", "event", "base"}},
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

TEST(Architecture, EveryRowIsARoom) {
  Rooms rooms, rows;
  for (const auto& entry : fs::directory_iterator(fs::path(PAGEFOLD_SOURCE_DIR) / "src"))
    if (entry.is_directory()) rooms.insert(entry.path().filename());
  for (const auto& [room, known] : kMayInclude) rows.insert(room);
  EXPECT_EQ(rooms, rows);
}

// What CMakeLists.txt links a room with is what the table lets it know.
TEST(Architecture, TheBuildDrawsTheSameArrows) {
  std::ifstream in(fs::path(PAGEFOLD_SOURCE_DIR) / "CMakeLists.txt");
  static const std::regex pattern(R"re(^pagefold_room\((\w+)((?: \w+)*)\))re");
  std::size_t found = 0;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, pattern)) continue;
    std::istringstream words(match[2].str());
    const Rooms linked{std::istream_iterator<std::string>(words), {}};
    const auto row = kMayInclude.find(match[1].str());
    ASSERT_NE(row, kMayInclude.end()) << line;
    EXPECT_EQ(row->second, linked) << line;
    ++found;
  }
  const Rooms built_otherwise = {"stub", "ld", "cli"};  // freestanding ones, and the command
  EXPECT_EQ(found + built_otherwise.size(), kMayInclude.size());
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
