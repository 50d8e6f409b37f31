// Where a check runs: a process of one trial's own that starts the check command again and again, and lets nothing
// outlive it. What a check leaves running - daemons included, which become the cell's children - is killed before its
// verdict counts; the same happens when the check takes too long. When Pagefold itself dies, the cell kills the check,
// removes the trial's directory and ends. It needs no rights that its user lacks.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace pagefold::crash {

struct Verdict {
  enum class Kind { Sound, Broken, TimedOut, NotRun };
  Kind kind = Kind::Sound;
  int exit_code = 0;  // Broken, NotRun: as a shell gives it
  std::string said;   // the end of what it printed

  [[nodiscard]] bool violates() const { return kind == Kind::Broken || kind == Kind::TimedOut; }
};

class Cell {
 public:
  struct Orders {
    std::vector<std::string> words;  // the command; looked up in PATH
    std::string directory;           // the trial's; exists
    std::chrono::milliseconds patience{};
  };
  // The caller should have few threads: the cell is a fork of it.
  static Result<Cell> start(const Orders& orders);
  Cell(Cell&&) = default;
  Cell& operator=(Cell&&) = delete;
  ~Cell();

  // told: what the program had told, for the check to compare. Errors: ENOSPC, of the trial's directory; EPIPE, the
  // cell was killed.
  Result<Verdict> check(const std::string& told);

 private:
  Cell(Orders orders, UniqueFd channel, pid_t process)
      : orders_(std::move(orders)), channel_(std::move(channel)), process_(process) {}

  Orders orders_;
  UniqueFd channel_;
  pid_t process_;
};

}  // namespace pagefold::crash
