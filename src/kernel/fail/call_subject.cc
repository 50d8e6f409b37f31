#include "kernel/fail/call_subject.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "frame/shared_object.h"
#include "kernel/fail/failures.h"
#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"
#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {
namespace {

using inject::Place;

constexpr CallRow kCalls[] = {
    {SYS_read, "read", Place::Read, Shape::Transfer},
    {SYS_pread64, "pread64", Place::Read, Shape::Transfer},
    {SYS_readv, "readv", Place::Read, Shape::Transfer},
    {SYS_preadv, "preadv", Place::Read, Shape::Transfer},
    {SYS_preadv2, "preadv2", Place::Read, Shape::Transfer},
    {SYS_sendfile, "sendfile", Place::Read, Shape::CopyFrom},
    {SYS_splice, "splice", Place::Read, Shape::CopyFrom},
    {SYS_copy_file_range, "copy_file_range", Place::Read, Shape::CopyFrom},
    {SYS_write, "write", Place::Write, Shape::Transfer},
    {SYS_pwrite64, "pwrite64", Place::Write, Shape::Transfer},
    {SYS_writev, "writev", Place::Write, Shape::Transfer},
    {SYS_pwritev, "pwritev", Place::Write, Shape::Transfer},
    {SYS_pwritev2, "pwritev2", Place::Write, Shape::Transfer},
    {SYS_sendfile, "sendfile", Place::Write, Shape::CopyTo},
    {SYS_splice, "splice", Place::Write, Shape::CopyTo},
    {SYS_copy_file_range, "copy_file_range", Place::Write, Shape::CopyTo},
    {SYS_truncate, "truncate", Place::Truncate, Shape::Path},
    {SYS_ftruncate, "ftruncate", Place::Truncate, Shape::File},
    {SYS_fallocate, "fallocate", Place::Fallocate, Shape::Range},
    {SYS_fsync, "fsync", Place::Fsync, Shape::File},
    {SYS_fdatasync, "fdatasync", Place::Fsync, Shape::File},
    {SYS_sync_file_range, "sync_file_range", Place::Fsync, Shape::File},
    {SYS_syncfs, "syncfs", Place::Fsync, Shape::File},
    {SYS_msync, "msync", Place::Msync, Shape::Msync},
    {SYS_open, "open", Place::Open, Shape::Path},
    {SYS_creat, "creat", Place::Open, Shape::Path},
    {SYS_openat, "openat", Place::Open, Shape::PathAt},
    {SYS_openat2, "openat2", Place::Open, Shape::PathAt},
    {SYS_mmap, "mmap", Place::Mmap, Shape::Mmap},
    {SYS_munmap, "munmap", Place::Munmap, Shape::Plain},
    {SYS_mprotect, "mprotect", Place::Mprotect, Shape::Plain},
    {SYS_pkey_mprotect, "pkey_mprotect", Place::Mprotect, Shape::Plain},
    {SYS_mremap, "mremap", Place::Mremap, Shape::Plain},
    {SYS_brk, "brk", Place::Brk, Shape::Brk},
    {SYS_fork, "fork", Place::Fork, Shape::Plain},
    {SYS_clone, "clone", Place::Fork, Shape::Plain},
    {SYS_mmap, "mmap", Place::Alloc, Shape::Alloc},
    {SYS_mremap, "mremap", Place::Alloc, Shape::Alloc},
    {SYS_mprotect, "mprotect", Place::Alloc, Shape::Alloc},
    {SYS_pkey_mprotect, "mprotect", Place::Alloc, Shape::Alloc},
    {SYS_brk, "brk", Place::Alloc, Shape::Alloc},
};

std::string path_of(const Call& call, int fd) {
  std::array<char, PATH_MAX> name{};
  const ssize_t n = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), name.data(), name.size());
  return path_as_seen(call.task.group, {name.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
}

// The file behind a descriptor of the guest, with or without contents; empty path: there is none that has a name.
struct Opened {
  UniqueFd fd;
  struct stat status {};
};

std::optional<Opened> opened(const Call& call, std::uint64_t number) {
  auto fd = borrow(call, static_cast<int>(number));
  Opened file;
  if (!fd || ::fstat(fd->get(), &file.status) != 0) return std::nullopt;
  file.fd = std::move(*fd);
  return file;
}

// ---- transfers

bool is_positional(int number) {
  constexpr std::array kPositional = {SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_pwritev2};
  return std::ranges::find(kPositional, number) != kPositional.end();
}

Bytes own_offset(const GuestFile& file, bool writes) {
  if (writes && appends(file, 0)) return size_of(file);
  return static_cast<Bytes>(std::max<off_t>(0, ::lseek(file.fd.get(), 0, SEEK_CUR)));
}

// The file's bytes [offset, offset + length) are meant; what is read ends with the file.
bool set_file(const Call& call, CallSubject& subject, const GuestFile& file, Bytes offset, Bytes length) {
  const bool reads = subject.place == Place::Read;
  if (reads ? !file.readable() : !file.writable()) return false;
  subject.path = path_of(call, file.fd.get());
  subject.offset = offset;
  subject.direct = (file.flags & O_DIRECT) != 0;
  const Bytes end = size_of(file);
  if (reads) length = offset >= end ? 0 : std::min(length, end - offset);
  subject.length = length;
  subject.first = subject.last = page_of(offset);
  if (length > 0) subject.last = page_behind(offset, length);
  return true;
}

bool look_at_transfer(const Call& call, CallSubject& subject) {
  const auto file = guest_file(call, static_cast<int>(call.argument(0)));
  const auto buffers = buffers_of(call);
  if (!file || !buffers) return false;
  const bool own = !is_positional(call.notification.data.nr) || static_cast<std::int64_t>(call.argument(3)) < 0;
  return set_file(call, subject, *file, own ? own_offset(*file, subject.place == Place::Write) : call.argument(3), buffers->size);
}

bool look_at_copy(const Call& call, CallSubject& subject, bool from) {
  const CopyCall copy = copy_call(call);
  const auto file = guest_file(call, from ? copy.in : copy.out);
  if (!file) return false;
  Bytes offset = own_offset(*file, !from);
  const VirtAddr given = from ? copy.in_offset : copy.out_offset;
  if (given != 0 && !read_guest(call.space(), given, &offset, sizeof offset)) return false;
  const auto target = guest_file(call, copy.out);
  subject.divisible = target && target->writable();  // the host copies into what is no file
  return set_file(call, subject, *file, offset, std::min(copy.length, kMostAtOnce));
}

// ---- names

// The file that the guest means by this path; if it is not there, the path as it stands, made absolute.
std::string path_named(const Call& call, int directory, VirtAddr address) {
  const auto path = read_guest_string(call.space(), address, PATH_MAX);
  if (!path || path->empty()) return {};
  const auto tid = call.notification.pid;
  const bool absolute = path->starts_with('/');
  const auto base = absolute                ? fmt::format("/proc/{}/root", tid)
                    : directory == AT_FDCWD ? fmt::format("/proc/{}/cwd", tid)
                                            : fmt::format("/proc/{}/fd/{}", tid, directory);
  const UniqueFd start(::open(base.c_str(), O_PATH | O_CLOEXEC));
  open_how how{O_PATH | O_CLOEXEC, 0, absolute ? std::uint64_t{RESOLVE_IN_ROOT} : 0};
  const UniqueFd target(static_cast<int>(::syscall(SYS_openat2, start.get(), path->c_str(), &how, sizeof how)));
  if (target) return path_of(call, target.get());
  return absolute ? *path : path_of(call, start.get()) + '/' + *path;
}

// ---- memory

// Memory that nothing but this run's frames can hold: what Linux commits when it does not overcommit.
bool is_anonymous(const vm::Vma& v) {
  return v.writable() && (!v.object || (v.shared && dynamic_cast<const frame::SharedObject*>(v.object.get()) != nullptr));
}

Bytes held_now(Supervisor& supervisor) {
  Bytes held = 0;
  for (const SpaceRef& space : supervisor.guests().spaces()) {
    const std::lock_guard lock(space->mutex);
    for (const auto& [start, v] : space->map.all()) held += is_anonymous(v) ? v.range.size() : 0;
  }
  return held;
}

// How much more anonymous memory the call asks for; 0: none, or its arguments make no sense.
Bytes asked_for(const Call& call) {
  Space& space = call.space();
  const VirtAddr start = call.argument(0);
  const Bytes length = page_up(call.argument(1));
  const std::lock_guard lock(space.mutex);
  switch (call.notification.data.nr) {
    case SYS_mmap: return (call.argument(3) & MAP_ANONYMOUS) != 0 && (call.argument(2) & PROT_WRITE) != 0 ? length : 0;
    case SYS_brk: return start > space.brk ? page_up(start) - page_up(space.brk) : 0;
    case SYS_mremap: {
      const vm::Vma* v = space.map.find(start);
      const Bytes wanted = page_up(call.argument(2));
      return v != nullptr && is_anonymous(*v) && wanted > length ? wanted - length : 0;
    }
    default: {  // mprotect
      if ((call.argument(2) & PROT_WRITE) == 0 || start + length < start) return 0;
      Bytes more = 0;
      space.map.visit({start, start + length}, [&](const vm::Vma& v) {
        if (!v.object && !v.writable()) more += v.range.intersect({start, start + length}).size();
      });
      return more;
    }
  }
}

// ---- what the call is about

// The first file that is mapped shared in the range.
bool look_at_msync(const Call& call, CallSubject& subject) {
  const VirtRange range{call.argument(0), page_up(call.argument(0) + call.argument(1))};
  if (range.end <= range.start) return true;
  const std::lock_guard lock(call.space().mutex);
  call.space().map.visit(range, [&](const vm::Vma& v) {
    if (!v.shared || !v.object || !subject.path.empty() || v.object->kind() != vm::Object::Kind::File) return;
    const vm::Vma part = vm::clip(v, range);
    subject.path = path_as_seen(call.task.group, v.object->name());
    subject.offset = part.offset;
    subject.length = part.range.size();
    subject.first = page_of(part.offset);
    subject.last = subject.first + part.range.pages();
  });
  return true;
}

bool look_at_file(const Call& call, CallSubject& subject, std::uint64_t fd) {
  const auto file = opened(call, fd);
  if (!file || (!S_ISREG(file->status.st_mode) && !S_ISDIR(file->status.st_mode))) return false;
  subject.path = path_of(call, file->fd.get());
  return true;
}

}  // namespace

std::span<const CallRow> call_rows() { return kCalls; }

bool look_at(const Call& call, Shape shape, CallSubject& subject) {
  switch (shape) {
    case Shape::Transfer: return look_at_transfer(call, subject);
    case Shape::CopyFrom: return look_at_copy(call, subject, true);
    case Shape::CopyTo: return look_at_copy(call, subject, false);
    case Shape::File: return look_at_file(call, subject, call.argument(0));
    case Shape::Range: {
      const auto file = guest_file(call, static_cast<int>(call.argument(0)));
      return file && set_file(call, subject, *file, call.argument(2), call.argument(3));
    }
    case Shape::Path: subject.path = path_named(call, AT_FDCWD, call.argument(0)); return true;
    case Shape::PathAt: subject.path = path_named(call, static_cast<int>(call.argument(0)), call.argument(1)); return true;
    case Shape::Msync: return look_at_msync(call, subject);
    case Shape::Mmap:
      subject.length = call.argument(1);
      return (call.argument(3) & MAP_ANONYMOUS) != 0 || look_at_file(call, subject, call.argument(4)) || true;
    case Shape::Brk: {
      const std::lock_guard lock(call.space().mutex);
      return call.argument(0) > call.space().brk;
    }
    case Shape::Alloc:
      subject.length = asked_for(call);
      if (subject.length != 0) subject.held = held_now(call.supervisor) + subject.length;
      return subject.length != 0;
    case Shape::Plain: return true;
  }
  return false;
}

}  // namespace pagefold::kernel
