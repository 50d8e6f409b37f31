// The parts of the command line that need no process: which words are the program's, and the file written at the end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cli/output.h"
#include "cli/program_words.h"
#include "cli/result_file.h"
#include "cli/run.h"
#include "cli/verbs.h"

namespace pagefold::cli {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Cut {
  Words own;
  Words program;
  friend bool operator==(const Cut&, const Cut&) = default;
};

Cut cut(Words words) {
  CLI::App app("test", "pagefold");
  Invocation invocation;
  add_run(app, invocation);
  Words program = take_program_words(*app.get_subcommand("run"), words);
  return {words, program};
}

TEST(ProgramWords, BeginAtTheFirstWordThatIsNoOption) {
  EXPECT_EQ(cut({"run", "ls", "-l"}), (Cut{{"run"}, {"ls", "-l"}}));
  EXPECT_EQ(cut({"run", "-q", "ls", "-q"}), (Cut{{"run", "-q"}, {"ls", "-q"}}));
  EXPECT_EQ(cut({"run", "-", "x"}), (Cut{{"run"}, {"-", "x"}}));
}

TEST(ProgramWords, BeginAfterADoubleDash) {
  EXPECT_EQ(cut({"run", "--", "ls", "--", "-l"}), (Cut{{"run"}, {"ls", "--", "-l"}}));
  EXPECT_EQ(cut({"run", "-q", "--", "-odd-name"}), (Cut{{"run", "-q"}, {"-odd-name"}}));
  EXPECT_EQ(cut({"run", "--"}), (Cut{{"run"}, {}}));
}

TEST(ProgramWords, TheValueOfAnOptionIsNotTheProgram) {
  EXPECT_EQ(cut({"run", "--json", "f", "ls"}), (Cut{{"run", "--json", "f"}, {"ls"}}));
  EXPECT_EQ(cut({"run", "--json=f", "ls"}), (Cut{{"run", "--json=f"}, {"ls"}}));
  EXPECT_EQ(cut({"run", "--fault-around", "1", "ls"}), (Cut{{"run", "--fault-around", "1"}, {"ls"}}));
  EXPECT_EQ(cut({"run", "--quiet", "ls"}), (Cut{{"run", "--quiet"}, {"ls"}}));
  EXPECT_EQ(cut({"run", "--json"}), (Cut{{"run", "--json"}, {}}));
}

TEST(ProgramWords, ArriveAsTheyAre) {
  EXPECT_EQ(cut({"run", "find", ".", "-exec", "ls", "{}", ";", "[]", ""}).program,
            (Words{"find", ".", "-exec", "ls", "{}", ";", "[]", ""}));
}

TEST(Refusals, HaveTheExitCodesOfEnv) {
  EXPECT_EQ(refusal_of({ENOENT, "nosuch"}, "nosuch").exit_code, 127);
  EXPECT_EQ(refusal_of({ENOENT, "nosuch"}, "nosuch").message, "nosuch: No such file or directory");
  EXPECT_EQ(refusal_of({EACCES, "/etc"}, "/etc").exit_code, 126);
  EXPECT_EQ(refusal_of({ENOEXEC, "text"}, "text").message, "text: Exec format error");
  EXPECT_EQ(refusal_of({ENOSYS, "userfaultfd"}, "ls").exit_code, 125);
  EXPECT_NE(refusal_of({ENOSYS, "userfaultfd"}, "ls").message.find("pagefold doctor"), std::string::npos);
}

TEST(Refusals, OfPagefoldsOwnFilesAreNotTheProgramsFault) {
  EXPECT_EQ(refusal_of({ENOENT, "create the swap file /no/swap"}, "ls").exit_code, 125);
  EXPECT_NE(refusal_of({ENOENT, "create the swap file /no/swap"}, "ls").message.find("/no/swap"), std::string::npos);
}

class ResultFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "pagefold-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::ptrdiff_t entries() const { return std::distance(fs::directory_iterator(folder_), {}); }
  static std::string content(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path folder_;
};

TEST_F(ResultFiles, NothingIsThereUntilItIsWritten) {
  auto file = ResultFile::prepare(folder_ / "story.json");
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(entries(), 0);
  ASSERT_TRUE(file->write("{}\n"));
  EXPECT_EQ(content(folder_ / "story.json"), "{}\n");
  EXPECT_EQ(entries(), 1);
}

TEST_F(ResultFiles, AnOldFileIsReplacedWholeAndKeepsItsMode) {
  std::ofstream(folder_ / "story.json") << "old and longer";
  ASSERT_EQ(::chmod((folder_ / "story.json").c_str(), 0640), 0);
  auto file = ResultFile::prepare(folder_ / "story.json");
  ASSERT_TRUE(file);
  EXPECT_EQ(content(folder_ / "story.json"), "old and longer");
  ASSERT_TRUE(file->write("new"));
  EXPECT_EQ(content(folder_ / "story.json"), "new");
  EXPECT_EQ(static_cast<unsigned>(fs::status(folder_ / "story.json").permissions()), 0640U);
  EXPECT_EQ(entries(), 1);
}

TEST_F(ResultFiles, ASymbolicLinkStaysALink) {
  std::ofstream(folder_ / "real") << "old";
  fs::create_symlink("real", folder_ / "link");
  auto file = ResultFile::prepare(folder_ / "link");
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write("new"));
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(content(folder_ / "real"), "new");
}

TEST_F(ResultFiles, WhatCannotBeCreatedIsKnownBefore) {
  EXPECT_EQ(ResultFile::prepare(folder_ / "no" / "such" / "folder").error().code, ENOENT);
  EXPECT_EQ(ResultFile::prepare(folder_).error().code, EISDIR);
  EXPECT_EQ(ResultFile::prepare("").error().code, ENOENT);
  std::ofstream(folder_ / "plain");
  EXPECT_EQ(ResultFile::prepare(folder_ / "plain" / "x").error().code, ENOTDIR);
  EXPECT_EQ(ResultFile::prepare("/proc/x").error().code, ENOENT);
}

TEST_F(ResultFiles, AFailureAtTheEndNamesTheFileAndLeavesNothing) {
  auto file = ResultFile::prepare(folder_ / "story.json");
  ASSERT_TRUE(file);
  fs::create_directory(folder_ / "story.json");
  const auto written = file->write("x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().context, (folder_ / "story.json").string());
  EXPECT_EQ(entries(), 1);
  auto full = ResultFile::prepare("/dev/full");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->write("x").error().message(), "/dev/full: No space left on device");
}

TEST(ColourRules, NoColourWithoutATerminal) {
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  EXPECT_EQ(colour_for(null), report::Colour::No);
  ::close(null);
}

TEST(ColourRules, ATerminalHasColourUnlessItOrTheUserSaysNo) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) GTEST_SKIP() << "no pseudo-terminals here";
  ::setenv("TERM", "xterm", 1);
  ::unsetenv("NO_COLOR");
  EXPECT_EQ(colour_for(terminal), report::Colour::Yes);
  ::setenv("NO_COLOR", "", 1);
  EXPECT_EQ(colour_for(terminal), report::Colour::Yes);
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(colour_for(terminal), report::Colour::No);
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  EXPECT_EQ(colour_for(terminal), report::Colour::No);
  ::unsetenv("TERM");
  ::close(terminal);
}

}  // namespace
}  // namespace pagefold::cli
