// A failure on demand, as data: where (a place, narrowed by conditions), when (which of the calls that match), and what happens. The
// grammar is in parse.h; what each place means to a guest is in docs/failures.md.
//
// Pages count from 0, in units of kPageSize; sizes and offsets are bytes; calls count from 1.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/page.h"

namespace pagefold::inject {

// What a guest does; the order is that of kPlaces (grammar.h).
enum class Place : std::uint8_t {
  Read, Write, Truncate, Fallocate, Fsync, Msync, Open, Mmap, Munmap, Mprotect, Mremap, Brk, Fork, Alloc
};

// How a file's bytes are asked for: by a system call, or through a mapping (a touch reads, write-back writes).
enum class Via : std::uint8_t { Any, Call, Map };

// Which of the matching calls are hit: from `first` to `last`, every `step`-th.
struct When {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t first = 1, last = kNever, step = 1;

  [[nodiscard]] bool contains(std::uint64_t n) const { return n >= first && n <= last && (n - first) % step == 0; }
  friend bool operator==(const When&, const When&) = default;
};

// Runs [first, last) of pages, ascending and apart; empty: all pages.
struct Pages {
  static constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;
  std::vector<std::pair<PageIndex, PageIndex>> runs;

  [[nodiscard]] bool all() const { return runs.empty(); }
  // The first of these pages in [from, to); `to` if there is none.
  [[nodiscard]] PageIndex next(PageIndex from, PageIndex to) const;
  friend bool operator==(const Pages&, const Pages&) = default;
};

enum class Outcome : std::uint8_t {
  Proceed,  // only a delay
  Error,
  Short,    // the transfer ends early, without an error
  Kill      // SIGKILL for the process, before the call has any effect
};

struct Spec {
  Place place = Place::Read;
  std::string call;     // only this system call; empty: any of the place's
  Via via = Via::Any;
  std::string path;     // fnmatch(3) pattern for the whole path; empty: any
  std::string program;  // the same for the program's path
  Pages pages;
  Bytes after = 0;      // Alloc: what the run may hold
  When when;
  double chance = 1;    // (0, 1]
  std::chrono::nanoseconds delay{0};
  Outcome outcome = Outcome::Proceed;
  int error = 0;        // Error: an errno
  Bytes most = 0;       // Short: at most so many bytes; 0: half of what was asked
  std::string text;     // as it was given

  friend bool operator==(const Spec&, const Spec&) = default;
};

}  // namespace pagefold::inject
