// Runs one command, natively or under `pagefold run -q --`, and tells everything an observer could see of it.
//
// The host kernel is the oracle: a guest program prints what it learned (errnos, contents, signal codes, never an
// address or a time), and both ways must give the same two streams and the same end. Each run has a fresh directory,
// a small fixed environment and a process group of its own, which a time-out kills by its id.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace pagefold::guest_test {

enum class Mode { Native, Pagefold };

struct RunResult {
  std::string out;
  std::string err;
  int status = 0;  // as a shell tells it: the exit code, or 128 + the signal
  bool timed_out = false;
  std::chrono::milliseconds wall{0};
};

struct Setting {
  std::chrono::milliseconds timeout{30'000};
  std::string input;                     // standard input; empty: /dev/null
  std::string directory;                 // working directory; empty: a fresh one, removed afterwards
  std::vector<std::string> environment;  // NAME=value, beside the fixed ones
  std::vector<std::string> pagefold_flags = {"run", "-q", "--"};  // what stands before the command under pagefold
};

RunResult run(const std::vector<std::string>& argv, Mode mode, const Setting& setting = {});

// The pagefold command under test: $PAGEFOLD_BINARY when set, otherwise what CMake compiled in.
std::string pagefold_binary();

// $PAGEFOLD_GUEST_DIR when set, otherwise what CMake compiled in: the guest programs' binaries.
std::string guest_directory();

// Programs that a test drives by hand, not run by themselves.
std::string guest_helper_directory();

// $PAGEFOLD_RUN_FLAGS, in words: more flags for every `pagefold run`, such as "--mem 24M".
std::vector<std::string> extra_flags();

// The environment every run gets: NAME=value, PATH first.
std::vector<std::string> fixed_environment(const std::string& home);

// A directory of one's own, readable by every user, removed with everything in it at the end.
class FreshDirectory {
 public:
  FreshDirectory();
  ~FreshDirectory();
  FreshDirectory(const FreshDirectory&) = delete;
  FreshDirectory& operator=(const FreshDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Empty when both runs look the same; otherwise the differences, line by line, "-" native and "+" Pagefold.
std::string difference(const RunResult& native, const RunResult& pagefold);

}  // namespace pagefold::guest_test
