// The command as its user meets it: help, versions, errors of usage and their exit codes. No guest is run.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command.h"

namespace pagefold::test {
namespace {

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

const std::vector<std::string> kVerbs = {"run", "mrc", "ps", "maps", "smaps", "crash", "replay", "doctor", "tour"};

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Usage, EveryVerbHasHelpWithAnExample) {
  for (const std::string& verb : kVerbs) {
    for (const char* flag : {"--help", "-h"}) {
      const Outcome outcome = pagefold({verb, flag});
      EXPECT_EQ(outcome.exit_code, 0) << verb;
      EXPECT_TRUE(contains(outcome.out, "Usage: pagefold " + verb)) << outcome.out;
      EXPECT_TRUE(contains(outcome.out, "Examples:\n  pagefold " + verb)) << outcome.out;
      EXPECT_EQ(outcome.err, "");
    }
  }
}

TEST(Usage, TheHelpOfTheCommandNamesEveryVerb) {
  const Outcome outcome = pagefold({"--help"});
  EXPECT_EQ(outcome.exit_code, 0);
  for (const std::string& verb : kVerbs) EXPECT_TRUE(contains(outcome.out, "\n  " + verb + ' ')) << verb;
  for (const char* verb : {"\n  help ", "\n  version "}) EXPECT_TRUE(contains(outcome.out, verb)) << verb;
}

TEST(Usage, HelpFitsATerminalOfEightyColumns) {
  std::string all = pagefold({"--help"}).out;
  for (const std::string& verb : kVerbs) all += pagefold({verb, "--help"}).out;
  for (const std::string& line : lines_of(all)) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Usage, HelpIsAVerbToo) {
  EXPECT_EQ(pagefold({"help"}).out, pagefold({"--help"}).out);
  for (const std::string& verb : kVerbs) EXPECT_EQ(pagefold({"help", verb}).out, pagefold({verb, "--help"}).out);
  EXPECT_EQ(pagefold({"help", "nosuchverb"}).exit_code, 2);
  EXPECT_EQ(pagefold({"help", "run", "ps"}).exit_code, 2);
}

TEST(Usage, HelpNamesChoicesAndDefaults) {
  const std::string help = pagefold({"run", "--help"}).out;
  EXPECT_TRUE(contains(help, "--policy NAME             Which frame goes when there is no room: clock, lru,\n")) << help;
  EXPECT_TRUE(contains(help, "s3fifo, random [s3fifo]\n")) << help;
  EXPECT_TRUE(contains(help, "Usage: pagefold run [OPTION...] [--] PROGRAM [ARGUMENT...]\n")) << help;
}

// docs/pagefold.1 is written by hand: whatever the command offers must be told there, under the heading of its verb.
TEST(ManualPage, NamesEveryVerbAndOption) {
  std::ifstream file(PAGEFOLD_SOURCE_DIR "/docs/pagefold.1");
  std::string page{std::istreambuf_iterator<char>(file), {}};
  std::erase(page, '\\');  // \\-\\-json is --json
  for (const std::string& verb : kVerbs) {
    const std::size_t begin = page.find("\n.SS " + verb + '\n');
    ASSERT_NE(begin, std::string::npos) << verb;
    const std::string section = page.substr(begin, page.find("\n.S", begin + 1) - begin);
    for (const std::string& line : lines_of(pagefold({verb, "--help"}).out)) {
      if (!line.starts_with("  -") || line.starts_with("  -h,")) continue;
      const std::size_t at = line.find("--");
      const std::string option = line.substr(at, line.find_first_of(" \n", at) - at);
      EXPECT_TRUE(contains(section, option + ' ') || contains(section, option + '\n')) << verb << ' ' << option;
    }
  }
}

TEST(Usage, TheVersionIsToldInBothWays) {
  const Outcome verb = pagefold({"version"});
  const Outcome flag = pagefold({"--version"});
  EXPECT_EQ(verb.exit_code, 0);
  EXPECT_EQ(flag.exit_code, 0);
  EXPECT_EQ(verb.out, flag.out);
  EXPECT_EQ(verb.out, "pagefold " PAGEFOLD_VERSION "\n");
}

TEST(Usage, WithoutAVerbIsAnErrorWithHelp) {
  const Outcome outcome = pagefold({});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(contains(outcome.err, "Usage: pagefold"));
}

TEST(Usage, ErrorsOfTheOtherVerbsEndWith2) {
  const std::vector<std::vector<std::string>> mistakes = {{"nosuchverb"},  {"--nosuchflag"}, {"ps", "--nosuchflag"},
                                                          {"ps", "1"},     {"maps"},         {"maps", "x"},
                                                          {"maps", "0"},   {"maps", "-1"},   {"maps", "1", "2"},
                                                          {"smaps"},       {"smaps", "1x"},  {"smaps", "1", "--pages"},
                                                          {"doctor", "x"}, {"version", "x"}, {"tour", "--nosuchflag"},
                                                          {"crash"},       {"crash", "--check", "true", "true"},
                                                          {"crash", "--check", "true", "--files", "x"},
                                                          {"crash", "--check", "true", "--files", "x", "--model", "ext5", "true"},
                                                          {"crash", "--check", "true", "--files", "x", "--torn", "500", "true"},
                                                          {"crash", "--check", "true", "--files", "x", "--budget", "0", "true"},
                                                          {"crash", "--check", "true", "--files", "x", "--check-timeout=-1", "true"},
                                                          {"-q", "run"},   {"--mem", "64M"}};
  for (const auto& words : mistakes) {
    const Outcome outcome = pagefold(words);
    EXPECT_EQ(outcome.exit_code, 2) << ::testing::PrintToString(words);
    EXPECT_EQ(outcome.out, "") << ::testing::PrintToString(words);
    EXPECT_TRUE(outcome.err.starts_with("pagefold: ")) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "--help`")) << outcome.err;
  }
}

TEST(Usage, AnUnknownVerbIsNamed) {
  EXPECT_EQ(pagefold({"nosuchverb", "x"}).err, "pagefold: unknown verb `nosuchverb`\nTry `pagefold --help`.\n");
}

TEST(Usage, AnOptionBeforeTheVerbIsToldApart) {
  EXPECT_EQ(pagefold({"--mem", "64M", "run", "true"}).err,
            "pagefold: unknown option --mem; a verb comes first, then its options\nTry `pagefold --help`.\n");
}

TEST(Usage, ErrorsOfRunAndMrcEndWith125) {
  const std::vector<std::vector<std::string>> mistakes = {{"run"},
                                                          {"run", "--"},
                                                          {"run", "-q"},
                                                          {"run", "--json"},
                                                          {"run", "--nosuchflag", "true"},
                                                          {"run", "--fault-around", "0", "true"},
                                                          {"run", "--fault-around=513", "true"},
                                                          {"run", "--fault-around=x", "true"},
                                                          {"run", "--fault-around=-1", "true"},
                                                          {"run", "--writeback=5s", "true"},
                                                          {"run", "--swap=zram", "true"},
                                                          {"run", "--policy=clock", "true"},
                                                          {"run", "--fail", "read:eio", "--seed=x", "true"},
                                                          {"run", "--seed=1", "true"},
                                                          {"run", "--own-files", "--writeback=5", "true"},
                                                          {"run", "--own-files", "--writeback=soon", "true"},
                                                          {"mrc"},
                                                          {"mrc", "--samples=1", "true"},
                                                          {"mrc", "--policy", "fifo", "true"}};
  for (const auto& words : mistakes) {
    const Outcome outcome = pagefold(words);
    EXPECT_EQ(outcome.exit_code, 125) << ::testing::PrintToString(words);
    EXPECT_TRUE(outcome.err.starts_with("pagefold: ")) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "Try `pagefold " + words.front() + " --help`.")) << outcome.err;
  }
}

TEST(Usage, AJsonFileThatCannotBeCreatedIsToldBeforeTheProgramRuns) {
  const Outcome outcome = pagefold({"run", "--json", "/nosuchfolder/story.json", "echo", "ran"});
  EXPECT_EQ(outcome.exit_code, 125);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "pagefold: cannot create /nosuchfolder/story.json: No such file or directory\n");
}

}  // namespace
}  // namespace pagefold::test
