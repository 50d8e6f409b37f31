// The story of one run as data. The supervisor fills it when the last guest has ended; render_story() and to_json() only
// read it. Times are nanoseconds, sizes bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/page.h"
#include "event/cause.h"
#include "event/code_place.h"

namespace pagefold::report {

inline constexpr int kSchemaVersion = 1;

struct FaultLine {
  std::uint64_t count = 0;
  std::uint64_t time_ns = 0;  // spent serving, in the supervisor
  Bytes bytes = 0;            // frames filled, copied or mapped, speculative ones included
};

struct ProgramLine {
  std::string path;
  std::uint64_t executions = 0;
};

struct ObjectLine {
  std::string name;        // path of a file, or "[heap]", "[stack]", "[anonymous]", "[shared memory]"
  Bytes mapped = 0;        // total of its mappings in the guest that had most of it when it ended
  Bytes resident = 0;      // frames that hold it: of a file, those of the page cache, once for all guests
  Bytes private_bytes = 0; // frames copied or filled for that guest alone
};

// Programs by the dynamic loader that loaded their libraries; static ones and those of other C libraries have none of these.
struct LoaderCounts {
  std::uint64_t own = 0, system = 0;
  std::uint64_t handed_over = 0;  // of `own`: it left the program to the system's loader
};

// Evictions and refaults by what was evicted.
struct ByKind {
  std::uint64_t files = 0, anonymous = 0, shared = 0;
};

// A run with a memory limit. Sizes in bytes; the rest are pages.
struct PressureLine {
  Bytes limit = 0, peak = 0;
  Bytes overdrawn = 0;  // frames that came without having been reserved; 0, or the limit may have been exceeded for a moment
  std::string policy, swap;
  ByKind evicted, refaulted;
  Bytes swapped_out = 0, swapped_in = 0;
  Bytes swap_peak = 0;  // what the swap held at most: compressed bytes, or bytes of the file
  std::uint64_t swap_full = 0, busy = 0, pinned = 0, failed = 0, touched = 0;  // evictions that came to nothing
};

// A failure that was asked for (--fail), and what became of it.
struct FailureLine {
  std::string spec;  // as it was given
  std::uint64_t matches = 0, hits = 0;
};

// One failure that happened.
struct HitLine {
  std::size_t spec = 0;         // index of the FailureLine
  std::uint64_t number = 0;     // the match it was, counted from 1
  std::string what;             // a system call, "touch" or "write-back"
  std::string path;             // empty: no file
  std::optional<Bytes> offset;  // in the file
  Bytes length = 0;
  int process = 0, thread = 0;  // 0: Pagefold itself, in the background
  std::string program;
  std::string outcome;          // "EIO", "SIGBUS", "2048 bytes", "killed", "waited 20 ms"
  event::CodeSnapshot code;
  std::string place;            // of `code` in the program; empty: not known
};

struct RunSummary {
  std::vector<std::string> command;
  int exit_code = 0;
  std::vector<ProgramLine> programs;  // in order of first execution
  LoaderCounts loaders;
  std::uint64_t processes = 0;        // created by exec of the first, fork, vfork
  std::uint64_t wall_ns = 0;
  std::uint64_t supervisor_cpu_ns = 0;  // Pagefold's share: its own processor time
  std::array<FaultLine, kFaultCauses> faults{};
  Bytes peak_resident = 0;            // all frames, at their peak
  Bytes peak_speculative = 0;
  std::optional<PressureLine> pressure;
  Bytes peak_supervisor = 0;          // the supervisor's own resident set
  std::uint64_t system_calls = 0;     // calls that came to the supervisor
  std::uint64_t host_operations = 0;  // mmap, munmap, mprotect done on the host's address spaces
  std::uint64_t files_host_mapped = 0;
  std::uint64_t lost_events = 0;
  std::vector<ObjectLine> objects;    // largest first
  std::vector<FailureLine> failures;
  std::vector<HitLine> hits;          // the first of them
  std::uint64_t more_hits = 0;        // that are not in `hits`
  std::vector<std::string> notes;     // things refused or degraded, one line each, no duplicates
};

enum class Colour : bool { No, Yes };

// Several lines of text ending in a newline, readable at 80 columns.
std::string render_story(const RunSummary& summary, Colour colour);
// One JSON object ending in a newline; keys are stable within a schema_version.
std::string to_json(const RunSummary& summary);

}  // namespace pagefold::report
