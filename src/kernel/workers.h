// The threads that receive system calls and serve them. One at a time receives: the host wakes every thread that waits for a
// call whenever one comes, so each further one would wake up, find nothing and sleep again, call after call.
//
// Who receives has the turn, and keeps it while it serves what it received: most calls take microseconds. It gives the turn to
// another worker when calls keep queueing, and when it is about to wait for something (about_to_wait). A deputy watches over handlers
// that wait without having said so - for a file system whose daemon is itself a guest, say: a turn that stands still for some
// milliseconds passes to another worker. Who waits for an agent and has the turn receives meanwhile (receive_until), so the agent's
// answer wakes nobody else.
//
// Thread-safe. The lock is innermost.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "kernel/listener.h"

namespace pagefold::kernel {

class Workers {
 public:
  using Serve = std::function<void(const seccomp_notif&)>;

  Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() { stop(); }

  // Receives the calls of `listener`, which outlives the workers, from now on. Calls of the number `answers` are answers to the
  // supervisor; to serve one never waits.
  void start(const Listener& listener, int answers, Serve serve);
  // Returns when all have ended. They do so when no guest is left to make a call.
  void stop();

  // The calling thread is about to wait for something other than an agent: if it has the turn, another gets it.
  static void about_to_wait();
  // The calling thread is about to wait for an answer that others receive: who has the turn may be waiting for a lock that the caller
  // holds, so it passes on.
  static void about_to_wait_for_answer();
  // The calling thread waits for an answer: receives until it is there. Returns at once if the caller has not got the turn.
  static void receive_until(const std::function<bool()>& over);

 private:
  using Turn = std::uint64_t;  // the number of the worker that has it, doubled; + 1 while it receives
  static constexpr Turn kNobodys = 0;

  void work(Turn mine);
  bool await_turn(Turn mine);
  bool receive(Turn mine, seccomp_notif& call);
  void pass(const seccomp_notif& call);
  void bring_in();  // somebody must take the turn, or a call that was passed on
  void watch();     // the deputy
  static bool serves(Turn turn) { return turn != kNobodys && turn % 2 == 0; }
  bool change_turn(Turn from, Turn to) { return turn_.compare_exchange_strong(from, to); }

  static constexpr unsigned kMost = 128;
  static inline std::atomic<Workers*> running_{nullptr};

  const Listener* listener_ = nullptr;
  int answers_ = 0;
  Serve serve_;
  std::atomic<Turn> turn_{kNobodys};
  std::atomic<std::uint64_t> received_{0};
  std::atomic<bool> deputy_rests_{false};
  std::atomic<bool> guests_gone_{false};

  std::mutex mutex_;
  std::condition_variable wanted_, deputy_;
  std::deque<seccomp_notif> passed_;
  std::vector<std::thread> threads_;
  unsigned workers_ = 0, parked_ = 0;
  bool stopping_ = false;
};

}  // namespace pagefold::kernel
