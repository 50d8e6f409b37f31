// The committed tables are what the generator writes today: nobody edited one, and none is older than the list of
// fields.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "abi/run.h"

namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(GlibcTables, GeneratorWritesTheCommittedTableOfThisLibc) {
  if (!abi_test::has_command("gdb")) GTEST_SKIP() << "gdb is missing";
  const fs::path committed = PAGEFOLD_SOURCE_DIR "/src/ld/abi/glibc";
  const fs::path fresh = fs::temp_directory_path() / ("tables-" + std::to_string(getpid()));
  const abi_test::Outcome outcome =
      abi_test::run("env OUT=" + fresh.string() + " " PAGEFOLD_SOURCE_DIR "/tools/glibc-layout.sh", 50);
  if (outcome.code != 0 && outcome.output.find("no table written") != std::string::npos) {
    fs::remove_all(fresh);
    GTEST_SKIP() << "the debug file of this libc is missing (package libc6-dbg)";
  }
  ASSERT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_TRUE(abi_test::same(contents(fresh / "layout_fields.h"), contents(committed / "layout_fields.h")));
  for (const auto& table : fs::directory_iterator(fresh / "tables")) {
    const std::string name = table.path().filename();
    if (name == "index.inc") continue;
    if (!fs::exists(committed / "tables" / name)) continue;  // a libc that has no table yet
    EXPECT_TRUE(abi_test::same(contents(table.path()), contents(committed / "tables" / name))) << name;
  }
  fs::remove_all(fresh);
}

TEST(GlibcTables, EveryTableIsInTheIndexOnce) {
  const fs::path tables = PAGEFOLD_SOURCE_DIR "/src/ld/abi/glibc/tables";
  const std::string index = contents(tables / "index.inc");
  size_t listed = 0, files = 0;
  for (size_t at = 0; (at = index.find("#include", at)) != std::string::npos; at++) listed++;
  for (const auto& table : fs::directory_iterator(tables)) {
    const std::string name = table.path().filename();
    if (name == "index.inc") continue;
    EXPECT_NE(index.find("/" + name + "\""), std::string::npos) << name;
    files++;
  }
  EXPECT_EQ(listed, files);
}

}  // namespace
