// Which files of /proc speak of a process's memory: those that Pagefold answers from its model when a guest opens them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

namespace pagefold::view {

enum class ProcFileKind : unsigned char { Maps, Smaps, SmapsRollup, Status, Statm, Stat, Limits };

// Self and ThreadSelf mean the opener: its process, its thread.
enum class ProcSubject : unsigned char { Self, ThreadSelf, Pid };

struct ProcFile {
  ProcSubject subject = ProcSubject::Self;
  pid_t pid = 0;              // when subject is Pid
  std::optional<pid_t> task;  // TID of .../task/TID/..., as written: it may belong to no thread of the process
  ProcFileKind kind = ProcFileKind::Maps;

  friend bool operator==(const ProcFile&, const ProcFile&) = default;
};

// Reads the name only; nothing need exist. Redundant slashes and "." components are as good as none. A path with ".."
// is never recognised (what it means depends on symbolic links), nor is one with a trailing slash (it is no directory).
std::optional<ProcFile> parse_proc_path(std::string_view absolute_path);

}  // namespace pagefold::view
