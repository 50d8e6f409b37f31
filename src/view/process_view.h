// What can be said of a running guest's memory: plain data, taken from the model at one moment, with no pointer into it.
// The supervisor fills it; the formatters (/proc text, JSON, tables) only read it. All sizes are bytes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/page.h"

namespace pagefold::view {

enum class PageState : unsigned char {
  Absent,       // nothing there: costs nothing
  Clean,        // a frame of the page cache, shared by all guests that map it
  Private,      // a frame of this address space alone
  Shared,       // a frame of shared anonymous memory
  Inherited,    // still the frame of an ancestor: copied on first touch or store after fork
  Speculative,  // installed around a fault, not known to be touched
  Host,         // host-mapped: resident or not is the host's business
};

struct PageRun {
  VirtAddr start = 0;
  PageIndex count = 0;
  PageState state = PageState::Absent;
};

struct PageCounts {
  Bytes resident = 0;       // Rss
  Bytes proportional = 0;   // Pss: each shared frame divided by its number of mappers
  Bytes shared_clean = 0;
  Bytes shared_dirty = 0;
  Bytes private_clean = 0;
  Bytes private_dirty = 0;
  Bytes anonymous = 0;      // resident and not backed by a file page as it is in the file
  Bytes speculative = 0;    // part of resident: installed by fault-around, never demanded
  Bytes swap = 0;
  Bytes locked = 0;
};

struct MappingView {
  VirtRange range;
  bool read = false, write = false, execute = false, shared = false;
  Bytes offset = 0;          // in the file, column 3 of /proc/PID/maps
  dev_t device = 0;
  ino_t inode = 0;
  std::string name;          // path, "[heap]", "[stack]", "[vdso]" ... or empty; " (deleted)" already appended
  bool host_mapped = false;  // pages are the host's, see docs/architecture.md
  bool file = false;         // backed by a file (else anonymous)
  bool grows_down = false, locked = false, dont_fork = false, wipe_on_fork = false, dont_dump = false, no_reserve = false;
  bool may_write = true;     // false: a shared mapping of a file that was not opened for writing
  bool was_writable = false;  // private, and writable now or earlier: counted as committed memory (VM_ACCOUNT)
  PageCounts pages;
  std::vector<PageRun> runs;  // only when asked for; covers the whole range in order
};

// A soft and a hard limit of setrlimit(2); RLIM_INFINITY: none.
struct LimitView {
  Bytes soft = ~Bytes{0}, hard = ~Bytes{0};
};

struct ProcessView {
  pid_t pid = 0, parent = 0;
  uid_t uid = 0;
  unsigned threads = 1;
  std::string comm;
  std::string exe;
  std::vector<std::string> arguments;
  std::vector<MappingView> mappings;  // ascending, not overlapping
  VirtRange heap;                     // brk area, may be empty
  Bytes stack_size = 0, peak_virtual = 0, peak_resident = 0, pinned = 0;
  LimitView address_space, data;  // RLIMIT_AS and RLIMIT_DATA, which Pagefold keeps itself
  std::uint64_t major_faults = 0, minor_faults = 0;
  // Sums over the mappings, for a reader that is not given them (`pagefold ps`): see fill_totals() in memory_totals.h.
  Bytes virtual_size = 0;
  PageCounts pages;
};

}  // namespace pagefold::view
