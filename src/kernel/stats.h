// Counters of one run. Each fault is counted once, by the thread that serves it; atomics, because several serve at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "base/page.h"
#include "event/cause.h"

namespace pagefold::kernel {

struct FaultCounter {
  std::atomic<std::uint64_t> count{0}, time_ns{0}, bytes{0};
};

class Stats {
 public:
  std::array<FaultCounter, kFaultCauses> faults;
  std::atomic<std::uint64_t> system_calls{0}, host_operations{0}, lost_events{0}, processes{0};
  std::atomic<std::uint64_t> own_loader{0}, system_loader{0}, handed_over{0};  // programs, by who loads them
  std::atomic<std::int64_t> resident{0}, peak_resident{0}, speculative{0}, peak_speculative{0};

  void fault(FaultCause cause, std::uint64_t time_ns, Bytes bytes) {
    auto& counter = faults[static_cast<std::size_t>(cause)];
    counter.count.fetch_add(1, std::memory_order_relaxed);
    counter.time_ns.fetch_add(time_ns, std::memory_order_relaxed);
    counter.bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  // Frames have come (delta > 0) or gone, in bytes.
  void frames(std::int64_t delta) { track(resident, peak_resident, delta); }
  void speculation(std::int64_t delta) { track(speculative, peak_speculative, delta); }
  // Something refused or degraded, told once in the story.
  void note(const std::string& text) {
    const std::lock_guard lock(mutex_);
    notes_.insert(text);
  }
  [[nodiscard]] std::set<std::string> notes() const {
    const std::lock_guard lock(mutex_);
    return notes_;
  }

 private:
  static void track(std::atomic<std::int64_t>& value, std::atomic<std::int64_t>& peak, std::int64_t delta) {
    const std::int64_t now = value.fetch_add(delta, std::memory_order_relaxed) + delta;
    std::int64_t before = peak.load(std::memory_order_relaxed);
    while (now > before && !peak.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
    }
  }

  mutable std::mutex mutex_;
  std::set<std::string> notes_;
};

// The counters of this process's run; a supervisor serves one run.
Stats& stats();

}  // namespace pagefold::kernel
