// How long a pager stays awake for the next fault before it sleeps.
//
// A sleeping pager costs each fault a wake-up; across processors of a virtual machine that is several times the work of the
// fault itself. Faults come in bursts - a program starts, walks, is short of memory - so a pager that has just served one looks
// for the next for a while. As with the kernel's halt polling, the while grows when faults come soon and shrinks when they do
// not: a program that rarely faults costs nothing. At most half of the processors are kept awake so, and none that others
// want: a pager that was preempted while it looked does not look again for a while.
#pragma once

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>

namespace pagefold::kernel {

class StayAwake {
 public:
  using Clock = std::chrono::steady_clock;
  using Duration = Clock::duration;
  // Longer than what a program does between two faults of a burst, and about what a wake-up costs.
  static constexpr Duration kMost = std::chrono::microseconds(50), kLeast = std::chrono::microseconds(10);
  // Others want the processor: a wait for it may take some milliseconds, so what it costs to try again stays small.
  static constexpr Duration kBackOff = std::chrono::milliseconds(100);

  // The next fault came so long after the last one had been served (by then the pager may have slept).
  void came(Duration after) {
    if (after <= 2 * kMost)
      window_ = std::clamp(2 * window_, kLeast, kMost);
    else
      window_ = window_ > kLeast ? window_ / 2 : Duration::zero();
  }
  // It was preempted while it looked.
  void preempted(Clock::time_point now) { closed_until_ = now + kBackOff; }
  [[nodiscard]] Duration window(Clock::time_point now) const { return now < closed_until_ ? Duration::zero() : window_; }

  // Looks until `ready()` or the while is over; false in the latter case.
  template <class Ready>
  bool look(Ready&& ready) {
    const auto now = Clock::now(), until = now + window(now);
    if (until == now) return false;
    const Turn turn;
    if (!turn) return false;
    const long before = preemptions();
    bool found = false;
    while (!(found = ready()) && Clock::now() < until) __builtin_ia32_pause();
    if (preemptions() != before) preempted(Clock::now());
    return found;
  }

 private:
  // The right to keep a processor awake.
  class Turn {
   public:
    Turn() : mine_(awake_.fetch_add(1) < half_of_processors()) {}
    ~Turn() { awake_.fetch_sub(1); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    explicit operator bool() const { return mine_; }

   private:
    static int half_of_processors() {
      static const int half = [] {
        cpu_set_t allowed;
        return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) / 2 : 0;
      }();
      return half;
    }
    static inline std::atomic<int> awake_{0};
    bool mine_;
  };

  static long preemptions() {
    struct rusage of_this_thread {};
    return ::getrusage(RUSAGE_THREAD, &of_this_thread) == 0 ? of_this_thread.ru_nivcsw : 0;
  }

  Duration window_{};
  Clock::time_point closed_until_{};
};

}  // namespace pagefold::kernel
