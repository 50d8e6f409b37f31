#include "kernel/files/file_calls.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "base/file_status.h"
#include "kernel/files/guest_rights.h"
#include "kernel/process/host_proc.h"

namespace pagefold::kernel {
std::optional<GuestFile> guest_file(const Call& call, int fd) {
  auto own = borrow(call, fd);
  GuestFile file;
  const auto status = own ? stat_without_times(own->get()) : fail(EBADF);
  if (!status || !S_ISREG(status->st_mode)) return std::nullopt;
  file.status = *status;
  file.fd = std::move(*own);
  file.flags = ::fcntl(file.fd.get(), F_GETFL);
  file.full = call.supervisor.files().full(file.status);
  return file;
}

bool appends(const GuestFile& file, int flags) {
  return ((file.flags & O_APPEND) != 0 && (flags & 0x20) == 0) || (flags & RWF_APPEND) != 0;
}

Bytes size_of(const GuestFile& file) {
  const auto now = stat_without_times(file.fd.get());
  return now ? static_cast<Bytes>(now->st_size) : 0;
}

Result<Bytes> within_limit(const Call& call, Bytes offset, Bytes length) {
  // To ask another process's limit, and to signal it, takes rights.
  const ActingAs ourselves(acting_for_another() ? std::optional(own_rights()) : std::nullopt);
  rlimit limit{};
  if (::prlimit(call.task.group, RLIMIT_FSIZE, nullptr, &limit) != 0)
    limit.rlim_cur = host_limit(call.task.group, "Max file size");
  if (limit.rlim_cur == RLIM_INFINITY) return length;
  if (offset < limit.rlim_cur) return std::min<Bytes>(length, limit.rlim_cur - offset);
  ::syscall(SYS_tgkill, call.task.group, static_cast<pid_t>(call.notification.pid), SIGXFSZ);
  return fail(EFBIG);
}

Changing::Changing(const Call& call, GuestFile& file)
    : files_(*call.supervisor.own_files()), gate_(call.supervisor.files().gate(file.status)) {
  file_ = call.supervisor.files().full(file.status);
  if (file_) contents_ = std::unique_lock(file_->contents());
  acting_.emplace(rights_to_act_with(static_cast<pid_t>(call.notification.pid)));
}

}  // namespace pagefold::kernel
