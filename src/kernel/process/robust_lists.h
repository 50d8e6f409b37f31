// Robust mutexes whose owner ends (get_robust_list(2), Documentation/locking/robust-futexes.rst). The kernel walks the list of each thread
// that ends and marks what it held with FUTEX_OWNER_DIED; but an ending thread does not wait for page faults (handle_userfault()), so the
// kernel stops at the first page that was evicted or watched, and cannot mark where stores are held back, by fork or after a write-back.
// So the supervisor walks the lists as well: of a thread as it asks to end; of a process that was killed a moment after its end. For the
// latter, heads must be known beforehand: set_robust_list is trapped under --mem and --own-files, where pages leave.
// What the kernel has marked is no longer its thread's, and is left alone.
//
// Lists and words are the guest's: a walk is bounded as the kernel's, and touches only memory that the guest could write.
#pragma once

#include "kernel/call.h"

namespace pagefold::kernel {

// All threads of the process have ended. (Locks in its private memory concern nobody any more.)
void release_robust_locks(Supervisor& supervisor, Space& space, pid_t group);
// The thread that makes this call has asked to end.
void release_robust_locks_of_caller(const Call& call);

}  // namespace pagefold::kernel
