#include "kernel/sync/agent.h"

#include "kernel/workers.h"

namespace pagefold::kernel {
namespace {

// An agent that takes longer than this has been stopped by its guest or is stuck in the host; the guest is then lost.
constexpr auto kPatience = std::chrono::seconds(20);
// One that is needed only to be ended.
constexpr auto kShortPatience = std::chrono::milliseconds(500);

}  // namespace

bool Agent::arrived(pid_t pid, std::uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    if (pid_ != 0 && pid_ != pid) return false;
    pid_ = pid;
    waiting_id_ = id;
  }
  changed_.notify_all();
  return true;
}

void Agent::gone() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  changed_.notify_all();
}

pid_t Agent::release() {
  const std::lock_guard lock(mutex_);
  return std::exchange(pid_, 0);
}

pid_t Agent::pid() const {
  const std::lock_guard lock(mutex_);
  return pid_;
}

// A worker whose turn it is to receive hears the agent's call itself; anybody else is told by the one who receives it.
bool Agent::wait(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds patience, const std::function<bool()>& over) {
  if (over()) return true;
  const auto end = std::chrono::steady_clock::now() + patience;
  lock.unlock();
  Workers::receive_until([&] {
    const std::lock_guard look(mutex_);
    return over() || std::chrono::steady_clock::now() >= end;
  });
  lock.lock();
  if (over()) return true;
  Workers::about_to_wait_for_answer();
  return changed_.wait_until(lock, end, over);
}

Result<std::uint64_t> Agent::wait_idle() {
  std::unique_lock lock(mutex_);
  if (!wait(lock, kPatience, [this] { return gone_ || waiting_id_ != 0; })) return fail(ETIMEDOUT, "agent");
  if (gone_) return fail(ESRCH, "agent");
  return waiting_id_;
}

void Agent::await_arrival() {
  std::unique_lock lock(mutex_);
  wait(lock, kShortPatience, [this] { return gone_ || pid_ != 0; });
}

Result<void> Agent::run(const Listener& listener, std::size_t count) {
  std::unique_lock lock(mutex_);
  if (gone_ || waiting_id_ == 0) return fail(ESRCH, "agent");
  const std::uint64_t id = std::exchange(waiting_id_, 0);
  listener.reply(id, static_cast<std::int64_t>(count));
  if (!wait(lock, kPatience, [this] { return gone_ || waiting_id_ != 0; })) return fail(ETIMEDOUT, "agent");
  if (gone_) return fail(ESRCH, "agent");
  return {};
}

}  // namespace pagefold::kernel
