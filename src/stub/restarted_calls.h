// System calls that come to the supervisor and never return EINTR natively (but open, of a FIFO: the stub looks). A signal that arrives
// while such a call waits for the supervisor must not show: the kernel restarts it. For all other calls a handler without
// SA_RESTART makes the call return EINTR, as natively. Freestanding.
#pragma once

#include <asm/unistd.h>
#include <stdint.h>

namespace pagefold::stub {

inline constexpr uint32_t kRestartedCalls[] = {
    __NR_mmap,      __NR_munmap,   __NR_mprotect, __NR_pkey_mprotect, __NR_brk,        __NR_mremap,  __NR_madvise,
    __NR_msync,     __NR_mincore,  __NR_mlock,    __NR_mlock2,        __NR_munlock,    __NR_mlockall, __NR_munlockall,
    __NR_execve,    __NR_execveat, __NR_clone,    __NR_fork,          __NR_vfork,      __NR_exit,    __NR_exit_group, __NR_open,
    __NR_openat,    __NR_ptrace,   __NR_seccomp,  __NR_prctl,         __NR_io_uring_setup, __NR_userfaultfd,
    __NR_remap_file_pages, __NR_pkey_alloc, __NR_shmat, __NR_shmdt, __NR_rt_sigaction,
    __NR_prlimit64, __NR_setrlimit, __NR_getrlimit,
    // With fully owned files. read, write and their like may be on a pipe, where EINTR is natural: they are
    // not here, and the stub looks at the descriptor.
    __NR_pread64, __NR_pwrite64, __NR_preadv, __NR_pwritev, __NR_preadv2, __NR_pwritev2, __NR_copy_file_range,
    __NR_ftruncate, __NR_truncate, __NR_fallocate, __NR_fsync, __NR_fdatasync, __NR_sync_file_range, __NR_syncfs, __NR_sync,
    __NR_creat, __NR_openat2, __NR_lseek, __NR_unshare, __NR_setns,
    __NR_io_submit, __NR_io_destroy, __NR_set_robust_list};

}  // namespace pagefold::stub
