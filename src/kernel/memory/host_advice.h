// madvise(2) for what the host maps itself, which only the host can carry out: the agent makes the call. Space::mutex held.
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>

#include "kernel/call.h"
#include "kernel/sync/host_sync.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace pagefold::kernel {

inline Result<void> advise_host(const Call& call, VirtRange part, int advice) {
  const stub::Command madvise{SYS_madvise, {part.start, part.size(), static_cast<std::uint64_t>(advice), 0, 0, 0}, 0, 0};
  PAGEFOLD_TRY(call_in_guest(call.space(), call.supervisor.listener(), madvise));
  return {};
}

}  // namespace pagefold::kernel
