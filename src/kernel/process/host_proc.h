// What the host's /proc says of a process: read by the supervisor, for processes that are stopped or waiting.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/page.h"

namespace pagefold::kernel {

struct HostMapping {
  VirtRange range;
  bool read = false, write = false, execute = false, shared = false;
  Bytes offset = 0;
  ino_t inode = 0;
  std::string name;
};

// /proc/PID/maps, without [vsyscall].
Result<std::vector<HostMapping>> host_mappings(pid_t pid);
// The whole of a small file of /proc.
Result<std::string> read_host_file(const std::string& path);
// The process's memory, for as long as this address space lives.
UniqueFd open_memory(pid_t pid);

// The process a thread belongs to, and that process's parent; nothing when the thread is gone.
struct HostFamily {
  pid_t group, parent;
};
std::optional<HostFamily> host_family(pid_t tid);
// The value of a field of /proc/PID/status ("Tgid:"), white space trimmed.
std::optional<std::string> host_status_field(pid_t tid, const char* field);
// A soft limit in /proc/PID/limits ("Max stack size"), for processes of other users where Pagefold lacks CAP_SYS_RESOURCE;
// RLIM_INFINITY if there is none.
Bytes host_limit(pid_t pid, std::string_view name);
// Field n (from 1, as in proc(5)) of /proc/PID/stat.
std::optional<std::uint64_t> host_stat_field(pid_t pid, unsigned n);

// /proc/TID/syscall of a thread that waits: "-1", or the number of its system call and six arguments; then stack and
// instruction pointer. "running" when it does not come to wait; empty when it is gone.
std::string host_call_of(pid_t tid);
// Where a thread that waits in a system call has its stack pointer.
std::optional<VirtAddr> host_stack_pointer(pid_t tid);

}  // namespace pagefold::kernel
