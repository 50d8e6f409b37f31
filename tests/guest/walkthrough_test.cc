// docs/storage-walkthrough.md is what it says: the commands of its console blocks are run in order, in one shell and an empty
// directory, and what each prints must be what stands below it. A line of "..." stands for any lines, "..." in a line for any text.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;

struct Step {
  std::string command;
  std::vector<std::string> expected;
};

// A command goes on while its quotes or its here-document are open.
bool is_open(const std::string& command) {
  if (const auto at = command.find("<<'END'"); at != std::string::npos) return command.find("\nEND", at) == std::string::npos;
  return std::count(command.begin(), command.end(), '"') % 2 != 0;
}

std::vector<Step> steps_of(const std::string& page) {
  std::ifstream file(page);
  std::vector<Step> steps;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) inside = line == "```console";
    else if (inside && line.starts_with("$ ")) steps.push_back({line.substr(2), {}});
    else if (inside && is_open(steps.back().command)) steps.back().command += '\n' + line;
    else if (inside) steps.back().expected.push_back(line);
  }
  return steps;
}

bool matches(std::string_view text, std::string_view pattern) {
  const std::size_t gap = pattern.find("...");
  if (gap == std::string_view::npos) return text == pattern;
  if (!text.starts_with(pattern.substr(0, gap))) return false;
  const std::string_view rest = pattern.substr(gap + 3);
  for (std::size_t at = gap; at <= text.size(); ++at)
    if (matches(text.substr(at), rest)) return true;
  return false;
}

bool matches(const std::vector<std::string>& lines, std::size_t line, const std::vector<std::string>& expected, std::size_t at) {
  if (at == expected.size()) return line == lines.size();
  if (expected[at] == "...") {
    for (std::size_t next = line; next <= lines.size(); ++next)
      if (matches(lines, next, expected, at + 1)) return true;
    return false;
  }
  return line < lines.size() && matches(lines[line], expected[at]) && matches(lines, line + 1, expected, at + 1);
}

constexpr const char* kMark = "end of step";

// What each step prints, on both outputs.
std::vector<std::vector<std::string>> play(const std::vector<Step>& steps, const std::string& directory) {
  std::ofstream script(directory + "/.script");
  script << "PATH=" << fs::path(pagefold_binary()).parent_path().string() << ":$PATH\n";
  for (const Step& step : steps) script << "(exit $status)\n" << step.command << "\nstatus=$?\necho; echo '" << kMark << "'\n";
  script.close();
  const std::string run = "cd '" + directory + "' && timeout -k 1 100 bash .script >.said 2>&1 </dev/null";
  EXPECT_EQ(std::system(run.c_str()), 0);
  std::ifstream said(directory + "/.said");
  std::vector<std::vector<std::string>> outputs(1);
  for (std::string line; std::getline(said, line);) {
    if (line != kMark) {
      outputs.back().push_back(line);
      continue;
    }
    if (!outputs.back().empty() && outputs.back().back().empty()) outputs.back().pop_back();  // of the echo before the mark
    outputs.emplace_back();
  }
  return outputs;
}

TEST(Walkthrough, PrintsWhatThePageShows) {
  if (std::system("command -v sqlite3 >/dev/null") != 0) GTEST_SKIP() << "no sqlite3: make real";
  const FreshDirectory directory;
  const std::vector<Step> steps = steps_of(PAGEFOLD_SOURCE_DIR "/docs/storage-walkthrough.md");
  ASSERT_GT(steps.size(), 15U);
  const auto outputs = play(steps, directory.path());
  ASSERT_EQ(outputs.size(), steps.size() + 1);
  for (std::size_t i = 0; i < steps.size(); ++i)
    EXPECT_TRUE(matches(outputs[i], 0, steps[i].expected, 0)) << "$ " << steps[i].command << "\nprints:\n" << [&] {
      std::string text;
      for (const std::string& line : outputs[i]) text += line + '\n';
      return text;
    }();
}

}  // namespace
}  // namespace pagefold::guest_test
