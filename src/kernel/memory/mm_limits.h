// What the limits of a process allow its memory to be (mm_limits.cc). Space::mutex held.
#pragma once

#include "kernel/space.h"

namespace pagefold::kernel {

// RLIMIT_AS and RLIMIT_DATA of a process that lives in the space.
MemoryLimits memory_limits(const Space& space, pid_t group);
// Those of a first guest.
MemoryLimits own_memory_limits();

Bytes soft_limit(const Space& space, int resource);
// The space's process has a limit on this resource that `wanted` bytes exceed.
bool exceeds_limit(const Space& space, int resource, Bytes wanted);

// What RLIMIT_DATA limits (mm/internal.h, is_data_mapping): private writable memory that is no stack.
inline bool is_data(const vm::Vma& v) { return v.writable() && !v.shared && !v.grows_down && v.tag != vm::Tag::Stack; }
// So much more data than now, after what is in `replaced` is gone, is over RLIMIT_DATA. Counting all data takes a walk through
// the map; without a limit there is none.
bool exceeds_data_limit(const Space& space, Bytes more, VirtRange replaced = {});

// vm.max_map_count, the most mappings a process may have, and what would exceed it: one more mapping (mm/mmap.c, do_mmap), or
// a change of r that splits mappings at its ends (mm/vma.c, split_vma; munmap splits one only when r lies within it).
bool has_too_many_mappings(const Space& space);
bool change_would_split_too_many(const Space& space, VirtRange r);
bool unmap_would_split_too_many(const Space& space, VirtRange r);

Bytes locked_bytes(const Space& space, VirtRange r);
// RLIMIT_MEMLOCK, lifted by CAP_IPC_LOCK.
bool may_lock_at_all(const Space& space);
bool may_lock(const Space& space, Bytes total);

}  // namespace pagefold::kernel
