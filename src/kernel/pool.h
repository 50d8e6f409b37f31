// Threads for work that may wait: for a disk, a busy address space, another guest. They are made when none is idle, up to a
// bound; beyond it the work queues.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pagefold::kernel {

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() { stop(); }

  void defer(std::function<void()> work);
  // Does what has been deferred, then ends the threads. What is deferred later is dropped.
  void stop();

 private:
  void serve();

  static constexpr unsigned kMostThreads = 64;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  unsigned idle_ = 0;
  bool stopping_ = false;
};

}  // namespace pagefold::kernel
