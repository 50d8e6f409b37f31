// Stopping one guest thread on its way back from a system call, with ptrace(2): it is seized and interrupted while it waits in
// its notification, then released; it stops before the next instruction of its own. One stop, whether an execve succeeded
// (then it stands at the new program's entry) or not. The kernel forgets an interruption when a thread that is not the
// leader succeeds with an execve, so exec events stop the thread as well.
//
// The thread that makes a Stop must be the one that uses and ends it (a tracer is a thread).
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "stub/protocol.h"

namespace pagefold::kernel {

// Registers as the stub restores them.
stub::Registers to_stub(const user_regs_struct& registers);

class Stop {
 public:
  // release() answers the notification; it is called once the thread is sure to stop.
  // ESRCH: the thread ended instead. EPERM: it is traced already.
  template <class Release>
  static Result<Stop> on_return(pid_t tid, Release&& release) {
    PAGEFOLD_CHECK(seize(tid));
    release();
    return wait(tid);
  }
  Stop(Stop&& other) noexcept : tid_(std::exchange(other.tid_, 0)) {}
  Stop& operator=(Stop&&) = delete;
  ~Stop() { resume(); }

  // After an execve by a thread that was not the leader this is the leader's id.
  [[nodiscard]] pid_t tid() const { return tid_; }
  Result<user_regs_struct> registers() const;
  Result<void> set_registers(const user_regs_struct& registers) const;
  Result<std::uint64_t> signal_mask() const;
  Result<void> set_signal_mask(std::uint64_t mask) const;
  // Stores into the thread's memory, text included. Lengths are multiples of 8.
  Result<void> poke(std::uint64_t address, const void* bytes, std::size_t length) const;
  struct RseqArea {
    std::uint64_t address = 0;  // 0: none registered
    std::uint32_t size = 0, signature = 0;
  };
  [[nodiscard]] RseqArea rseq() const;
  // Makes one system call in the thread, with its credentials; its result or -errno. No signal interferes.
  Result<std::int64_t> call(std::uint64_t number, std::uint64_t a, std::uint64_t b, std::uint64_t c) const;
  void resume();

 private:
  explicit Stop(pid_t tid) : tid_(tid) {}
  static Result<void> seize(pid_t tid);
  static Result<Stop> wait(pid_t tid);

  pid_t tid_;
};

}  // namespace pagefold::kernel
