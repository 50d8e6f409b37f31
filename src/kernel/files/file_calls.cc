#include "kernel/files/file_calls.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "kernel/process/host_proc.h"

namespace pagefold::kernel {
std::optional<GuestFile> guest_file(const Call& call, int fd) {
  auto own = borrow(call, fd);
  GuestFile file;
  if (!own || ::fstat(own->get(), &file.status) != 0 || !S_ISREG(file.status.st_mode)) return std::nullopt;
  file.fd = std::move(*own);
  file.flags = ::fcntl(file.fd.get(), F_GETFL);
  file.full = call.supervisor.files().full(file.status);
  return file;
}

bool appends(const GuestFile& file, int flags) {
  return ((file.flags & O_APPEND) != 0 && (flags & 0x20) == 0) || (flags & RWF_APPEND) != 0;
}

Bytes size_of(const GuestFile& file) {
  struct stat now {};
  return ::fstat(file.fd.get(), &now) == 0 ? static_cast<Bytes>(now.st_size) : 0;
}

Result<Bytes> within_limit(const Call& call, Bytes offset, Bytes length) {
  rlimit limit{};
  if (::prlimit(call.task.group, RLIMIT_FSIZE, nullptr, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return length;
  if (offset < limit.rlim_cur) return std::min<Bytes>(length, limit.rlim_cur - offset);
  ::syscall(SYS_tgkill, call.task.group, static_cast<pid_t>(call.notification.pid), SIGXFSZ);
  return fail(EFBIG);
}

bool has_our_rights(const Call& call) {
  const auto tid = static_cast<pid_t>(call.notification.pid);
  for (const char* field : {"Uid:", "Gid:", "Groups:", "CapEff:"})
    if (host_status_field(tid, field) != host_status_field(::getpid(), field)) return false;
  return true;
}

namespace {

// What a write by an ordinary user does to a file that lends its owner's or group's rights (fs/inode.c,
// file_remove_privs): the call is ours, and the host would let our rights count.
void withdraw_lent_rights(const Call& call, const GuestFile& file) {
  const mode_t mode = file.status.st_mode, group = S_ISGID | S_IXGRP;
  const mode_t lent = (mode & S_ISUID) | ((mode & group) == group ? S_ISGID : 0);
  if (lent != 0 && !has_our_rights(call)) (void)::fchmod(file.fd.get(), mode & 07777 & ~lent);
}

}  // namespace

Changing::Changing(const Call& call, GuestFile& file)
    : files_(*call.supervisor.own_files()), gate_(call.supervisor.files().gate(file.status)) {
  withdraw_lent_rights(call, file);
  file_ = call.supervisor.files().full(file.status);
  if (file_) contents_ = std::unique_lock(file_->contents());
}

}  // namespace pagefold::kernel
