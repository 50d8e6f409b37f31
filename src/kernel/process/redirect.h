// Stopping one guest thread on its way back from a system call, and sending it elsewhere, with ptrace(2): it is seized and
// interrupted while it waits in its notification, then answered; it stops before the next instruction of its own. One stop, whether an
// execve succeeded (then it stands at the new program's entry) or not. The kernel forgets an interruption when a thread that is
// not the leader succeeds with an execve, so exec events stop the thread as well. The scene of fork, execve and shmat: stop_caller().
//
// The thread that makes a Stop must be the one that uses and ends it (a tracer is a thread).
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/error.h"
#include "kernel/call.h"
#include "stub/protocol.h"

namespace pagefold::kernel {

// Registers as the stub restores them.
stub::Registers to_stub(const user_regs_struct& registers);

class Stop {
 public:
  Stop(Stop&& other) noexcept : tid_(std::exchange(other.tid_, 0)) {}
  Stop& operator=(Stop&&) = delete;
  ~Stop() { resume(); }

  // After an execve by a thread that was not the leader this is the leader's id.
  [[nodiscard]] pid_t tid() const { return tid_; }
  Result<user_regs_struct> registers() const;
  Result<void> set_registers(const user_regs_struct& registers) const;
  Result<std::uint64_t> signal_mask() const;
  struct RseqArea {
    std::uint64_t address = 0;  // 0: none registered
    std::uint32_t size = 0, signature = 0;
  };
  [[nodiscard]] RseqArea rseq() const;
  // The thread goes on at `entry`, with these registers and all signals blocked, as if it had not been in a call.
  Result<void> go_to(std::uint64_t entry, user_regs_struct registers) const;
  // Makes one system call in the thread, with its credentials; its result or -errno. No signal interferes.
  Result<std::int64_t> call(std::uint64_t number, std::uint64_t a, std::uint64_t b, std::uint64_t c) const;
  void resume();

 private:
  friend std::optional<Stop> stop_caller(const Call& call, void (*answer)(const Call&));
  explicit Stop(pid_t tid) : tid_(tid) {}
  Result<void> set_signal_mask(std::uint64_t mask) const;
  // EPERM: it is traced already.
  static Result<void> seize(pid_t tid);
  // ESRCH: the thread ended instead.
  static Result<Stop> wait(pid_t tid);

  pid_t tid_;
};

// Stops the thread that made the call as it returns. `answer` answers the call; it is called once the thread is sure to stop.
// Nothing: the thread has ended, or cannot be stopped and was told EAGAIN.
std::optional<Stop> stop_caller(const Call& call, void (*answer)(const Call&));

}  // namespace pagefold::kernel
