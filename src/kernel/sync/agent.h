// The agent is the supervisor's hand inside a guest: a process that shares the guest's memory (not its files, not its thread
// group) and waits in a hypercall. The reply carries a batch of host operations, the next hypercall says they are done.
// One batch at a time; callers hold the mutex of the agent's Space, which keeps batches in order.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "base/error.h"
#include "kernel/listener.h"

namespace pagefold::kernel {

class Agent {
 public:
  // The agent has arrived in its hypercall `id` (called by whoever receives the notification). The first to come is the
  // agent: it starts while its guest waits. False for any other: a guest that pretends.
  bool arrived(pid_t pid, std::uint64_t id);
  // The agent or its guest is gone: waiters give up.
  void gone();
  // Waits until the agent is idle; the notification through which it can be handed descriptors.
  // ESRCH when it is gone, ETIMEDOUT when it does not come (a guest may have stopped it).
  Result<std::uint64_t> wait_idle();
  // Waits, but not for long, until it has come: it is started beside its guest, and until then has copies of its files.
  void await_arrival();
  // Releases the agent with `count` commands in the area and waits until they are done.
  Result<void> run(const Listener& listener, std::size_t count);
  [[nodiscard]] pid_t pid() const;
  // Its process id, once; 0 when it never came or was released before. The caller ends it.
  pid_t release();

 private:
  // False: it took too long.
  bool wait(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds patience, const std::function<bool()>& over);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t waiting_id_ = 0;  // 0: busy or not there
  pid_t pid_ = 0;
  bool gone_ = false;
};

}  // namespace pagefold::kernel
