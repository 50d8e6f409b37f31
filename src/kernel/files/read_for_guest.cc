#include "kernel/files/read_for_guest.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <algorithm>

#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"
#include "kernel/pressure/pressure.h"
#include "kernel/sync/host_plan.h"

namespace pagefold::kernel {
namespace {

struct Source {
  int fd = -1;
  off_t offset = -1;  // -1: the file's own
  int flags = 0;
};

Source source_of(const Call& call, int fd) {
  const auto at = static_cast<off_t>(call.argument(3));
  switch (call.notification.data.nr) {
    case SYS_pread64:
    case SYS_preadv: return {fd, at, 0};
    case SYS_preadv2: return {fd, at, static_cast<int>(call.argument(5))};
    default: return {fd};
  }
}

Result<Bytes> read_steps(Space& space, const Buffers& buffers, const Source& source) {
  Bytes done = 0;
  while (done < buffers.size) {
    const Bytes wish = std::min(buffers.size - done, kStep);
    const std::vector<iovec> bytes = room_like(buffers, done, wish);
    const off_t at = source.offset < 0 ? source.offset : source.offset + static_cast<off_t>(done);
    const ssize_t n = ::preadv2(source.fd, bytes.data(), static_cast<int>(bytes.size()), at, source.flags);
    if (n < 0) return done > 0 ? Result<Bytes>(done) : fail(errno);
    if (auto given = hand_over(space, buffers, done, bytes, static_cast<Bytes>(n)); !given)
      return done > 0 ? Result<Bytes>(done) : tl::unexpected(std::move(given).error());
    done += static_cast<Bytes>(n);
    if (static_cast<Bytes>(n) < wish) break;
  }
  return done;
}

void answer(const Call& call, const Result<Bytes>& done) {
  if (!done && done.error().code == ENOMEM) out_of_memory(call.supervisor, call.space());
  done ? call.reply(static_cast<std::int64_t>(*done)) : call.fail(done.error().code);
}

// ---- direct reads

// All of the buffers can be written, and some of it is Pagefold's to take away or to write back. (What cannot be written is the
// host's to refuse.)
bool at_stake(Space& space, const Buffers& buffers) {
  const std::lock_guard lock(space.mutex);
  bool ours = false;
  for (const iovec& part : buffers.parts) {
    const auto start = reinterpret_cast<VirtAddr>(part.iov_base);
    for (VirtAddr at = start; at < start + part.iov_len;) {
      const vm::Vma* v = space.map.find(at);
      if (v == nullptr || !v->writable()) return false;
      ours = ours || is_pagefolds(*v);
      at = v->range.end;
    }
  }
  return ours;
}

bool has_no_offset(const Call& call) {
  const auto number = call.notification.data.nr;
  return (number == SYS_pread64 || number == SYS_preadv) && static_cast<std::int64_t>(call.argument(3)) < 0;
}

}  // namespace

bool is_pagefolds(const vm::Vma& v) { return pressure() != nullptr ? !v.host() : tracked(v); }

bool is_direct(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  struct stat status {};
  if (flags < 0 || (flags & O_PATH) != 0 || ::fstat(fd, &status) != 0) return false;
  if ((flags & O_DIRECT) != 0) return S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
  // There the file system itself may have asked for it.
  struct statfs where {};
  return S_ISREG(status.st_mode) && ::fstatfs(fd, &where) == 0 && where.f_type == FUSE_SUPER_MAGIC;
}

void read_in_part(const Call& call) {
  Result<Bytes> done = 0;
  {
    const auto file = guest_file(call, static_cast<int>(call.argument(0)));
    const auto buffers = buffers_of(call);
    if (!file || !file->readable()) return call.proceed();
    if (!buffers) return call.fail(buffers.error().code);
    Workers::about_to_wait();
    if (file->full)
      if (const auto clean = call.supervisor.own_files()->write_back(*file->full); !clean) return call.fail(clean.error().code);
    done = read_steps(call.space(), *buffers, source_of(call, file->fd.get()));
  }
  answer(call, done);
}

bool read_directly(const Call& call) {
  if (has_no_offset(call)) return false;  // EINVAL
  const auto buffers = buffers_of(call);
  if (!buffers || buffers->size == 0 || !at_stake(call.space(), *buffers)) return false;
  Result<Bytes> done = 0;
  {
    const auto file = borrow(call, static_cast<int>(call.argument(0)));
    if (!file || !is_direct(file->get())) return false;
    Workers::about_to_wait();
    done = read_steps(call.space(), *buffers, source_of(call, file->get()));
  }
  answer(call, done);
  return true;
}

}  // namespace pagefold::kernel
