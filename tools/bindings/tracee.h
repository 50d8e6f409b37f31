// A program that is loaded but never runs: started under ptrace with one of the two loaders, stopped in the loader,
// killed at the latest when it reaches its entry point.
//
// The loader under test is bind-mounted over the genuine one in a mount namespace of the process, so that both see the
// same program, the same PT_INTERP and the same paths. Addresses are not randomised. Needs root. A Tracee belongs to
// the thread that started it, as ptrace wants it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pagefold::bindings {

inline constexpr const char* kGenuineLoader = "/lib64/ld-linux-x86-64.so.2";

struct Range {
  uint64_t start = 0;
  uint64_t end = 0;
  std::string name;  // as /proc/PID/maps tells it
};

class Tracee {
 public:
  // `loader` is the file that plays the genuine loader's part; `output` gets standard output and standard error.
  Tracee(const std::string& program, const std::string& loader, const std::vector<std::string>& environment,
         int output);
  ~Tracee();
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  enum class Stop : unsigned char { Breakpoint, Ended };

  // Lets it go on to the next breakpoint, or to its end: its exit, a signal that is not a breakpoint's, or the time
  // limit.
  Stop go_on();
  void set_breakpoint(uint64_t address);
  [[nodiscard]] uint64_t stopped_at() const { return stopped_at_; }

  // At a breakpoint at the start of a function: return from it at once, as if it had been empty.
  void skip_function();

  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] const std::string& ending() const { return ending_; }  // "exit 127", "signal 11"
  [[nodiscard]] uint64_t auxiliary(uint64_t type) const;
  [[nodiscard]] bool read(uint64_t address, void* into, size_t bytes) const;
  [[nodiscard]] uint64_t word(uint64_t address) const;
  [[nodiscard]] std::string text(uint64_t address) const;
  [[nodiscard]] std::vector<Range> mappings() const;

 private:
  void wait_for_exec();
  void note_ending(int status);

  pid_t pid_ = -1;
  bool started_ = false;
  bool alive_ = false;
  uint64_t stopped_at_ = 0;
  std::string ending_;
  std::map<uint64_t, uint64_t> breakpoints_;  // address -> the word that stood there
  std::map<uint64_t, uint64_t> auxiliary_;
};

}  // namespace pagefold::bindings
