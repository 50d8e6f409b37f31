#include "kernel/syscall_table.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "kernel/calls.h"

namespace pagefold::kernel {
namespace {

using When = SyscallRow::When;
using FromStub = SyscallRow::FromStub;

constexpr std::uint32_t kMapShadowStack = 453;  // Linux 6.6

constexpr SyscallRow kTable[] = {
    {SYS_mmap, on_mmap, When::Always, 0, FromStub::Range},
    {SYS_munmap, on_munmap, When::Always, 0, FromStub::Range},
    {SYS_mprotect, on_mprotect, When::Always, 0, FromStub::Range},
    {SYS_pkey_mprotect, on_mprotect},
    {SYS_brk, on_brk},
    {SYS_mremap, on_mremap, When::Always, 0, FromStub::Moves},
    {SYS_madvise, on_madvise, When::Always, 0, FromStub::Passes},
    {SYS_msync, on_msync},
    {SYS_mincore, on_mincore},
    {SYS_mlock, on_mlock},
    {SYS_mlock2, on_mlock2},
    {SYS_munlock, on_munlock},
    {SYS_mlockall, on_mlockall},
    {SYS_munlockall, on_munlockall},
    {SYS_execve, on_execve},
    {SYS_execveat, on_execve},
    {SYS_clone, on_clone, When::NotThread, 0, FromStub::Passes},
    {SYS_fork, on_clone},
    {SYS_clone3, nullptr, When::Always, ENOSYS},  // its arguments are in memory; libc falls back to clone
    {SYS_exit, on_thread_exit, When::Always, 0, FromStub::Passes},
    {SYS_exit_group, on_exit_group, When::Always, 0, FromStub::Passes},
    {SYS_rt_sigaction, on_sigaction, When::Always, 0, FromStub::Passes},
    {SYS_open, on_open, When::OpensFile},
    {SYS_openat, on_openat, When::OpensFileAt},
    {SYS_openat2, on_openat2},
    {SYS_ptrace, on_refuse},
    {SYS_seccomp, on_own_filter, When::FilterOp},
    {SYS_prctl, on_own_filter, When::FilterOrMm},
    {SYS_io_uring_setup, on_refuse},
    {SYS_userfaultfd, on_refuse},
    {SYS_remap_file_pages, on_refuse},
    {SYS_pkey_alloc, on_refuse},
    {SYS_prlimit64, on_prlimit, When::MemoryLimit1},
    {SYS_setrlimit, on_setrlimit, When::MemoryLimit0},
    {SYS_getrlimit, on_getrlimit, When::MemoryLimit0},
    {SYS_shmat, on_shmat, When::Always, 0, FromStub::Attaches},
    {SYS_shmdt, on_shmdt, When::Always, 0, FromStub::Passes},
    {SYS_read, on_file_read, When::Always, 0, FromStub::Trapped, true},
    {SYS_write, on_file_write, When::Always, 0, FromStub::Trapped, true},
    {SYS_pread64, on_file_read, When::Always, 0, FromStub::Trapped, true},
    {SYS_pwrite64, on_file_write, When::Always, 0, FromStub::Trapped, true},
    {SYS_readv, on_file_read, When::Always, 0, FromStub::Trapped, true},
    {SYS_writev, on_file_write, When::Always, 0, FromStub::Trapped, true},
    {SYS_preadv, on_file_read, When::Always, 0, FromStub::Trapped, true},
    {SYS_pwritev, on_file_write, When::Always, 0, FromStub::Trapped, true},
    {SYS_preadv2, on_file_read, When::Always, 0, FromStub::Trapped, true},
    {SYS_pwritev2, on_file_write, When::Always, 0, FromStub::Trapped, true},
    {SYS_sendfile, on_file_copy, When::Always, 0, FromStub::Trapped, true},
    {SYS_splice, on_file_copy, When::Always, 0, FromStub::Trapped, true},
    {SYS_copy_file_range, on_file_copy, When::Always, 0, FromStub::Trapped, true},
    {SYS_ftruncate, on_ftruncate, When::Always, 0, FromStub::Trapped, true},
    {SYS_truncate, on_truncate, When::Always, 0, FromStub::Trapped, true},
    {SYS_fallocate, on_fallocate, When::Always, 0, FromStub::Trapped, true},
    {SYS_fsync, on_file_sync, When::Always, 0, FromStub::Trapped, true},
    {SYS_fdatasync, on_file_sync, When::Always, 0, FromStub::Trapped, true},
    {SYS_sync_file_range, on_file_range_sync, When::Always, 0, FromStub::Trapped, true},
    {SYS_syncfs, on_sync_all, When::Always, 0, FromStub::Trapped, true},
    {SYS_sync, on_sync_all, When::Always, 0, FromStub::Trapped, true},
    {SYS_unshare, on_namespace, When::Always, 0, FromStub::Trapped, true},
    {SYS_setns, on_namespace, When::Always, 0, FromStub::Trapped, true},
    {SYS_creat, on_creat, When::Always, 0, FromStub::Trapped, true},
    {SYS_io_submit, on_io_submit, When::Always, 0, FromStub::Trapped, true},
    {SYS_io_destroy, on_io_destroy, When::Always, 0, FromStub::Trapped, true},
    {SYS_set_robust_list, on_set_robust_list, When::Always, 0, FromStub::Trapped, true},
    {SYS_lseek, on_hole_seek, When::HoleSeek, 0, FromStub::Trapped, true},
    {kMapShadowStack, nullptr, When::Always, ENOSYS},
    {stub::kHello, on_hello},
    {stub::kForked, on_forked},
    {stub::kUffd, on_uffd},
    {stub::kReady, on_ready},
    {stub::kForkFailed, on_fork_failed},
    {stub::kAgentNext, on_agent_next},
};

}  // namespace

std::span<const SyscallRow> syscall_table() { return kTable; }

Handler find_handler(std::uint32_t number) {
  const auto* row = std::find_if(std::begin(kTable), std::end(kTable), [number](const SyscallRow& r) { return r.number == number; });
  return row == std::end(kTable) ? nullptr : row->handler;
}

}  // namespace pagefold::kernel
