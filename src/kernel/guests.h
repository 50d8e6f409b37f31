// Who is who in a run: which thread belongs to which process, and which address space that process lives in; the forks and execs
// that are under way; who has ended. Only tables: the supervisor's threads act on them (supervisor.h).
//
// Thread-safe. Its lock is innermost: never held while another is taken.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/space.h"

namespace pagefold::kernel {

// One guest thread, or a process that has not exec'ed yet (space is null).
struct Task {
  pid_t tid = 0;
  pid_t group = 0;  // thread-group id
  SpaceRef space;
};

class Guests {
 public:
  Result<void> prepare();
  // The first guest; before any call of its is served.
  void start(pid_t root);

  // The thread behind a notification; looks new ones up in /proc. nullopt: gone, or no guest.
  std::optional<Task> task(pid_t tid);
  void add(const SpaceRef& space, pid_t tid);
  // The process has ended or replaced its memory: the spaces that its threads lived in.
  std::vector<SpaceRef> leave(pid_t group);
  void forget_thread(pid_t tid);
  // No other process lives in the task's space (as a vfork child would).
  bool is_alone(const Task& task);

  std::vector<SpaceRef> spaces();
  // The processes that live in a space of ours, in ascending order.
  std::vector<pid_t> processes();
  SpaceRef space_of(pid_t process);
  SpaceRef space_by_token(std::uint64_t token);
  SpaceRef space_by_fault_descriptor(int uffd);
  void watch_faults(const SpaceRef& space);
  // False: somebody lives in the space, which therefore stays known.
  bool forget_if_empty(const SpaceRef& space);

  // A fork in flight: the child claims its space by its parent's token and the slot, even if the parent is gone by then.
  void expect_fork(std::uint64_t parent_token, unsigned slot, const SpaceRef& child);
  SpaceRef claim_fork(std::uint64_t parent_token, unsigned slot);

  // An exec in flight: until it ends, what is known of the process's memory is neither the old nor the new.
  void exec_begins(pid_t group);
  void exec_ends(pid_t group);
  void wait_for_exec(pid_t group, std::chrono::milliseconds patience);

  void program_started(const std::string& path);
  // Each program with how often it was started, in the order of the first starts.
  std::vector<std::pair<std::string, std::uint64_t>> programs();

  // Waits for processes to end: those that did.
  std::vector<pid_t> wait_for_ends(std::chrono::milliseconds patience);
  // The process, a child of ours now or later, is to be reaped.
  void expect_end(pid_t pid, UniqueFd pidfd);
  // Reaps what has ended.
  void reap();
  // The wait status of the first guest, once it and all others have ended.
  std::optional<int> outcome();

 private:
  struct Ended {
    pid_t pid;
    UniqueFd pidfd;
  };
  void watch_exit(pid_t pid);  // mutex_ held

  std::mutex mutex_;
  pid_t root_ = 0;
  int root_status_ = 0;
  bool root_ended_ = false;
  std::unordered_map<pid_t, Task> tasks_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Space>> tokens_;
  std::map<std::pair<std::uint64_t, unsigned>, SpaceRef> pending_forks_;
  std::set<pid_t> execs_;
  std::condition_variable exec_over_;
  std::map<int, SpaceRef> by_uffd_;
  std::map<pid_t, UniqueFd> pidfds_;
  std::vector<Ended> ended_;  // to be reaped if they are, or become, our children
  std::vector<std::pair<std::string, std::uint64_t>> programs_;
  UniqueFd exits_;  // epoll: pidfds_
};

}  // namespace pagefold::kernel
