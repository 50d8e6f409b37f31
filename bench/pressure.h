// A program in half of the memory it wants: natively in a memory cgroup with the kernel's swap, and under `pagefold run --mem`
// in a cgroup of the same size, where the supervisor, the frames and the host's page cache of the swap file all count.
//
// Ours is told to use what the cgroup has less a share for the supervisor. Both sides swap to a file on the same file system,
// or to compressed memory; the kernel's zram counts in no cgroup, so ours, which lies in the supervisor, gets room of its own.
// The kernel must not take our frames itself: our cgroup's swappiness is 0.
//
// Wants root, the memory controller of cgroup v1, and swapon(2); says what is missing.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace pagefold::bench {

struct PressureLine {
  std::string name;
  double native_ns = 0, pagefold_ns = 0;  // a touch, medians
  double bar = 1;
  std::string failure;  // then nothing else counts
  [[nodiscard]] double ratio() const { return pagefold_ns / native_ns; }
};

struct PressureSettings {
  std::string pagefold, programs, directory;
  std::string only;    // lines whose name contains this
  std::string policy;  // empty: pagefold's default
  bool quick = false;
};

std::vector<std::string> pressure_names();

// ENOTSUP with what this machine lacks.
Result<std::vector<PressureLine>> measure_pressure(const PressureSettings& settings);

}  // namespace pagefold::bench
