// A guest's descriptor as our own: the same open file description. For a process that shares another's memory (a vfork child)
// the descriptors are still its own.

#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/calls.h"

namespace pagefold::kernel {

Result<UniqueFd> borrow(const Call& call, int fd) {
  UniqueFd own;
  if (call.task.group == call.space().pid) {
    own.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, call.space().pidfd.get(), fd, 0)));
  } else {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, call.task.group, 0)));
    own.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  }
  if (!own) return fail_errno("guest descriptor");
  return own;
}

}  // namespace pagefold::kernel
