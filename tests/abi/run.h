// Runs a command of the shell with a time limit and keeps what it says; finds the libcs that were unpacked beside this
// machine's own.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace abi_test {

struct Outcome {
  int code = -1;  // exit code; 128 + signal
  std::string output;
};

inline Outcome run(const std::string& command, int seconds = 20) {
  Outcome outcome;
  std::FILE* pipe =
      popen(("timeout -k 1 " + std::to_string(seconds) + " " + command + " 2>&1 </dev/null").c_str(), "r");
  if (!pipe) return outcome;
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) outcome.output.append(buffer, n);
  const int status = pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

// Both texts are the same; if not, the first lines in which they differ.
inline testing::AssertionResult same(const std::string& ours, const std::string& genuine) {
  std::istringstream a(ours), b(genuine);
  std::string text, line_a, line_b;
  for (int found = 0; found < 3;) {
    const bool more_a = !std::getline(a, line_a).fail(), more_b = !std::getline(b, line_b).fail();
    if (!more_a && !more_b) break;
    if (more_a == more_b && line_a == line_b) continue;
    text += "ours:    " + (more_a ? line_a : "(end)") + "\ngenuine: " + (more_b ? line_b : "(end)") + "\n";
    found++;
  }
  if (text.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text;
}

inline bool has_command(const std::string& name) { return run("sh -c 'command -v " + name + "'").code == 0; }

struct OtherLibc {
  std::string version, folder;  // folder holds libc.so.6 and ld-linux-x86-64.so.2
  std::string prefix() const { return folder + "/ld-linux-x86-64.so.2 --library-path " + folder + " "; }
};

// Empty where tools/glibc-layout-all.sh has not run.
inline std::vector<OtherLibc> other_libcs() {
  namespace fs = std::filesystem;
  std::vector<OtherLibc> found;
  const fs::path root = fs::path(PAGEFOLD_SOURCE_DIR) / "build/glibc";
  std::error_code error;
  for (const auto& tree : fs::directory_iterator(root, error))
    for (const char* folder : {"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"})
      if (fs::exists(tree.path() / folder / "libc.so.6"))
        found.push_back({tree.path().filename(), tree.path() / folder});
  return found;
}

}  // namespace abi_test
