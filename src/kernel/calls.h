// The system calls that come to the supervisor, one handler each; syscall_table.cc maps numbers to them.
// Results and errnos are those of the Linux calls (section 2 of the manual).
#pragma once

#include "kernel/call.h"

namespace pagefold::kernel {

// mm_map.cc: what changes the map
void on_mmap(const Call& call);
void on_munmap(const Call& call);
void on_mprotect(const Call& call);
void on_brk(const Call& call);
// mm_move.cc
void on_mremap(const Call& call);
// What changes pages, or asks about them. mm_advice.cc, mm_msync.cc, mm_mincore.cc
void on_madvise(const Call& call);
void on_msync(const Call& call);
void on_mincore(const Call& call);
// mm_lock.cc
void on_mlock(const Call& call);
void on_mlock2(const Call& call);
void on_munlock(const Call& call);
void on_mlockall(const Call& call);
void on_munlockall(const Call& call);
// takeover.cc
void on_execve(const Call& call);
// fork.cc
void on_clone(const Call& call);
void on_forked(const Call& call);
void on_fork_failed(const Call& call);
// boot.cc: what new address spaces tell
void on_hello(const Call& call);
void on_uffd(const Call& call);
void on_ready(const Call& call);
void on_agent_next(const Call& call);
// ending.cc
void on_thread_exit(const Call& call);
void on_exit_group(const Call& call);
// robust_lists.cc
void on_set_robust_list(const Call& call);
// signals.cc
void on_sigaction(const Call& call);
// mm_limits.cc
void on_prlimit(const Call& call);
void on_setrlimit(const Call& call);
void on_getrlimit(const Call& call);
// sysv.cc
void on_shmat(const Call& call);
void on_shmdt(const Call& call);
// proc_calls.cc: /proc as the program should see it
void on_open(const Call& call);
void on_openat(const Call& call);
void on_openat2(const Call& call);
// Calls on files, when those are fully owned. file_write.cc
void on_file_write(const Call& call);
// file_copy.cc
void on_file_copy(const Call& call);
// file_resize.cc
void on_ftruncate(const Call& call);
void on_truncate(const Call& call);
void on_creat(const Call& call);
void on_fallocate(const Call& call);
// file_read.cc
void on_file_read(const Call& call);
void on_hole_seek(const Call& call);
// submit.cc
void on_io_submit(const Call& call);
void on_io_destroy(const Call& call);
// synchronise.cc
void on_file_sync(const Call& call);
void on_file_range_sync(const Call& call);
void on_sync_all(const Call& call);
void on_namespace(const Call& call);
// The call opens, by this path, a file with O_TRUNC: answers the call and returns true if the file is mapped.
bool open_and_truncate(const Call& call, int directory, VirtAddr path, std::uint64_t flags, std::uint64_t resolve = 0);
// own_filter.cc: seccomp filters of the program's own
void on_own_filter(const Call& call);
// The caller is bound by a filter that neither a fork nor an exec would survive.
bool filter_forbids_new_processes(const Call& call);
// refuse.cc: what cannot be supported
void on_refuse(const Call& call);

// A guest's descriptor, as our own: the same open file description.
Result<UniqueFd> borrow(const Call& call, int fd);

// Shared by the mm_*.cc files. Space::mutex held.
// Forgets what is mapped in r: the model, its pages. The host follows by synchronise().
Result<void> unmap_range(Space& space, VirtRange r);
// True when r overlaps the addresses that Pagefold keeps for itself.
inline bool reserved(VirtRange r) { return r.overlaps({stub::kReservedStart, stub::kReservedEnd}); }

}  // namespace pagefold::kernel
