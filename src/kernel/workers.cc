#include "kernel/workers.h"

#include <poll.h>

#include <chrono>
#include <utility>

namespace pagefold::kernel {
namespace {

// A turn that stands still between two looks of the deputy passes on.
constexpr auto kLook = std::chrono::milliseconds(2);
// After so many looks without a call the deputy rests until there is one.
constexpr int kIdleLooks = 16;
// Who has the turn looks this often, in calls, whether more of them queue than it can serve.
constexpr unsigned kCallsBetweenLooks = 4;
// Who receives while it waits for an agent looks this often whether the agent is gone, in milliseconds.
constexpr int kPatience = 100;

// The worker that the calling thread is, and its turn.
thread_local Workers* this_workers = nullptr;
thread_local std::uint64_t this_turn = 0;

bool is_waiting(const Listener& listener) {
  pollfd ready{listener.fd(), POLLIN, 0};
  return ::poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN) != 0;
}

}  // namespace

void Workers::start(const Listener& listener, int answers, Serve serve) {
  listener_ = &listener;
  answers_ = answers;
  serve_ = std::move(serve);
  running_ = this;
  bring_in();
  bring_in();  // and one to take the turn at the first exec
  const std::lock_guard lock(mutex_);
  threads_.emplace_back([this] { watch(); });
}

void Workers::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wanted_.notify_all();
  deputy_.notify_all();
  for (std::thread& thread : threads) thread.join();
  running_ = nullptr;
}

void Workers::about_to_wait() {
  if (this_workers != nullptr && this_workers->change_turn(this_turn, kNobodys)) this_workers->bring_in();
}

void Workers::about_to_wait_for_answer() {
  Workers* const workers = running_;
  if (workers == nullptr) return;
  const Turn turn = workers->turn_;
  if (serves(turn) && workers->change_turn(turn, kNobodys)) workers->bring_in();
}

void Workers::bring_in() {
  std::unique_lock lock(mutex_);
  if (stopping_) return;
  if (parked_ > passed_.size() || workers_ == kMost) {
    lock.unlock();  // who is woken may run at once, in place of the caller, and wants the lock
    return wanted_.notify_one();
  }
  const Turn mine = 2 * Turn{++workers_};
  threads_.emplace_back([this, mine] { work(mine); });
}

void Workers::pass(const seccomp_notif& call) {
  {
    const std::lock_guard lock(mutex_);
    passed_.push_back(call);
  }
  bring_in();
}

// Waits until the worker may receive, and serves what is passed on meanwhile. False: the end.
bool Workers::await_turn(Turn mine) {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++parked_;
    wanted_.wait(lock, [&] { return stopping_ || guests_gone_ || !passed_.empty() || turn_ == kNobodys; });
    --parked_;
    if (!passed_.empty()) {
      const seccomp_notif call = passed_.front();
      passed_.pop_front();
      lock.unlock();
      serve_(call);
      lock.lock();
      continue;
    }
    if (stopping_ || guests_gone_) return false;
    if (change_turn(kNobodys, mine + 1)) return true;
  }
}

// The turn is mine + 1. Answers that somebody may be waiting for are served before it can pass on: who gets it then may wait for the
// very same answer, and would find it given or else receive it. False: there is nothing to serve, or no guest is left.
bool Workers::receive(Turn mine, seccomp_notif& call) {
  const auto got = listener_->receive();
  if (!got) {
    // ENOENT also when no guest is left to notify: then the descriptor hangs up.
    pollfd ready{listener_->fd(), POLLIN, 0};
    const bool vanished = got.error().code == EINTR || got.error().code == ENOENT;
    guests_gone_ = !vanished || (::poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP) != 0);
    turn_ = mine;
    return false;
  }
  received_.fetch_add(1);
  if (deputy_rests_.exchange(false)) {
    const std::lock_guard lock(mutex_);
    deputy_.notify_one();
  }
  const bool answer = got->data.nr == answers_;
  if (answer) serve_(*got);
  call = *got;
  turn_ = mine;
  return !answer;
}

void Workers::work(Turn mine) {
  this_workers = this;
  this_turn = mine;
  bool crowded = false;
  for (unsigned count = 0;; ++count) {
    if (!change_turn(mine, mine + 1) && !await_turn(mine)) return;
    seccomp_notif call;
    if (receive(mine, call)) {
      // One call that waits will be served before another worker is awake; where there are always more, two serve. Now and then is
      // often enough: to look takes a tenth of the time of a simple call.
      if (count % kCallsBetweenLooks == 0 && std::exchange(crowded, is_waiting(*listener_)) && crowded) about_to_wait();
      serve_(call);
    } else if (guests_gone_) {
      const std::lock_guard lock(mutex_);
      wanted_.notify_all();
      deputy_.notify_all();
      return;
    }
  }
}

void Workers::receive_until(const std::function<bool()>& over) {
  Workers* const workers = this_workers;
  if (workers == nullptr) return;
  const Turn mine = this_turn;
  while (!over() && !workers->guests_gone_) {
    if (!workers->change_turn(mine, mine + 1)) return;
    pollfd ready{workers->listener_->fd(), POLLIN, 0};
    seccomp_notif call;
    if (::poll(&ready, 1, kPatience) <= 0)
      workers->turn_ = mine;
    else if (workers->receive(mine, call))
      workers->pass(call);
  }
}

void Workers::watch() {
  std::unique_lock lock(mutex_);
  std::uint64_t before = 0;
  int idle = 0;
  Turn stood = kNobodys;
  while (!stopping_ && !guests_gone_) {
    if (idle < kIdleLooks) {
      deputy_.wait_for(lock, kLook);
    } else {
      deputy_rests_ = true;
      if (received_ == before) deputy_.wait(lock, [this] { return stopping_ || guests_gone_ || !deputy_rests_; });
      deputy_rests_ = false;
      idle = 0;
    }
    const std::uint64_t now = received_;
    const Turn turn = turn_;
    const bool stands = now == before && turn == stood;
    before = now;
    stood = turn;
    idle = stands && !serves(turn) ? idle + 1 : 0;
    if (!stands || !serves(turn) || !change_turn(turn, kNobodys)) continue;
    lock.unlock();
    bring_in();
    lock.lock();
  }
}

}  // namespace pagefold::kernel
