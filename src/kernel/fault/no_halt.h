// Idle processors that poll instead of halting, while a program that is short of memory faults at every turn.
//
// Each such fault waits for a message, mostly for a read of the disk, and for a message back. Meanwhile the processors have
// nothing to do and halt; to get one out of that costs a virtual machine 15 to 30 us, as much as the fault's own work, two or
// three times a fault. The kernel's interface to ask for less is a PM QoS request (Documentation/power/pm_qos_interface.rst):
// with a latency of 0 an idle processor polls, and is there at once for whoever wants it. The request holds for the whole
// machine, so it is made on small ones only, in a burst of faults, by who may (root), and ends with the burst; also when the
// supervisor is killed.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/fd.h"

namespace pagefold::kernel {

class NoHalt {
 public:
  using Duration = std::chrono::steady_clock::duration;
  // A burst ends when no fault has come for so many milliseconds.
  static constexpr int kQuiet = 2;

  // A fault came so long after the last one had been served.
  void came(Duration after) {
    burst_ = after <= kSoon ? std::min(burst_ + 1, kBurst) : std::max(burst_ - kLate, 0);
    if (burst_ == kBurst && !requested_) request(0);
    if (burst_ == 0) end();
  }
  [[nodiscard]] bool requested() const { return requested_; }
  void end() {
    burst_ = 0;
    if (requested_) request(kNoRequest);
  }

 private:
  static constexpr Duration kSoon = std::chrono::microseconds(200);  // beyond it the halts are a small part of the time
  static constexpr int kBurst = 64, kLate = 4;
  static constexpr long kMostProcessors = 8;
  static constexpr std::int32_t kNoRequest = -1;  // a negative latency is no request

  void request(std::int32_t microseconds) {
    if (!tried_) {
      tried_ = true;
      if (::sysconf(_SC_NPROCESSORS_ONLN) <= kMostProcessors) latency_.reset(::open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC));
    }
    requested_ = latency_ && ::write(latency_.get(), &microseconds, sizeof microseconds) == sizeof microseconds && microseconds == 0;
  }

  UniqueFd latency_;
  bool tried_ = false, requested_ = false;
  int burst_ = 0;
};

}  // namespace pagefold::kernel
