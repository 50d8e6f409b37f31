// Runs that go on while a test does something to them, and what it then wants to know of their processes.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "runner.h"

namespace pagefold::guest_test {

// A run in the background whose streams nobody reads; killed by its pid at the end of the test.
class Background {
 public:
  Background(const std::vector<std::string>& argv, const std::string& directory, const std::vector<std::string>& flags = {},
             Mode mode = Mode::Pagefold) {
    std::vector<std::string> words;
    if (mode == Mode::Pagefold) {
      words = {pagefold_binary(), "run", "-q"};
      words.insert(words.end(), flags.begin(), flags.end());
      words.emplace_back("--");
    }
    words.insert(words.end(), argv.begin(), argv.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      const int null = open("/dev/null", O_RDWR);
      const int log = open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
      dup2(null, 0);
      dup2(log, 1);
      dup2(log, 2);
      if (chdir(directory.c_str()) == 0) execv(pointers[0], pointers.data());
      _exit(99);
    }
  }
  ~Background() { kill_it(); }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill_it() {
    if (ended_) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    ended_ = true;
  }

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
};

template <class Claim>
bool within(std::chrono::milliseconds limit, Claim claim) {
  for (const auto deadline = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < deadline; usleep(2000)) {
    if (claim()) return true;
  }
  return claim();
}

inline std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A process that is gone or only waits to be reaped by whoever adopted it.
inline bool is_gone(pid_t pid) {
  const std::string stat = contents(fmt::format("/proc/{}/stat", pid));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) return true;
  return stat[name_end + 2] == 'Z' || stat[name_end + 2] == 'X';
}

inline std::vector<pid_t> pids_in(const std::string& path) {
  std::vector<pid_t> pids;
  std::ifstream file(path);
  for (pid_t pid; file >> pid;) pids.push_back(pid);
  return pids;
}

}  // namespace pagefold::guest_test
