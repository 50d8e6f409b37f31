// Failures of calls: what a call is about is found out first, with the arguments as they are; then the plan decides. A failing call
// does not come to its handler, so it has no effect; one that is cut short does, with fewer bytes to transfer.
//
// Calls of one place come in the order of kCalls: what sendfile reads is asked for before what it writes, mmap before alloc.

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
#include <thread>

#include "frame/shared_object.h"
#include "kernel/fail/failures.h"
#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/memory/mm_limits.h"

namespace pagefold::kernel {

using inject::Decision;
using inject::Outcome;
using inject::Place;
using inject::Via;

struct CallSubject {
  Place place = Place::Read;
  const char* name = "";
  std::string path;
  std::optional<Bytes> offset;
  Bytes length = 0;                // of a read, as far as the file reaches
  PageIndex first = 0, last = 0;   // pages of the file that it is about
  bool divisible = true, direct = false;  // direct: O_DIRECT, which transfers whole sectors
  Bytes held = 0;                  // Alloc: what the run would hold
};

namespace {

enum class Shape : std::uint8_t { Transfer, CopyFrom, CopyTo, File, Range, Path, PathAt, Msync, Mmap, Brk, Alloc, Plain };

struct CallRow {
  int number;
  const char* name;
  Place place;
  Shape shape;
};

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

// Source or target of sendfile, splice, copy_file_range: its descriptor, where its offset is, and the length.
struct CopySide {
  std::uint64_t fd, other;
  VirtAddr offset;
  Bytes length;
};

CopySide side_of(const Call& call, bool from) {
  if (call.notification.data.nr == SYS_sendfile)
    return {call.argument(from ? 1 : 0), call.argument(from ? 0 : 1), from ? call.argument(2) : 0, call.argument(3)};
  return {call.argument(from ? 0 : 2), call.argument(from ? 2 : 0), call.argument(from ? 1 : 3), call.argument(4)};
}

bool look_at_copy(const Call& call, CallSubject& subject, bool from) {
  const CopySide side = side_of(call, from);
  const auto file = guest_file(call, static_cast<int>(side.fd));
  if (!file) return false;
  Bytes offset = own_offset(*file, !from);
  if (side.offset != 0 && !read_guest(call.space(), side.offset, &offset, sizeof offset)) return false;
  const auto other = guest_file(call, static_cast<int>(side.other));
  subject.divisible = !from || (other && other->writable());  // the host copies into what is no file
  return set_file(call, subject, *file, offset, std::min(side.length, kMostAtOnce));
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

// False: the call is none that a failure speaks of.
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

// ---- what happens

// False: the guest gave up, or is gone.
bool wait(const Call& call, std::chrono::nanoseconds delay) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kTick = std::chrono::milliseconds(50);  // between looks at the guest
  call.supervisor.about_to_wait();
  for (const auto end = Clock::now() + delay; Clock::now() < end;) {
    std::this_thread::sleep_for(std::min<Clock::duration>(kTick, end - Clock::now()));
    if (!call.supervisor.listener().still_waiting(call.notification.id)) return false;
  }
  return true;
}

// What a short transfer comes to: half, or `most`; whole sectors where the host wants them.
Bytes shortened(const CallSubject& subject, Bytes most) {
  constexpr Bytes kSector = 512;
  Bytes length = std::max<Bytes>(1, most == 0 ? subject.length / 2 : std::min(most, subject.length));
  if (subject.direct && length > kSector) length -= length % kSector;
  return length;
}

}  // namespace

bool Failures::carry_out(Call& call, const CallSubject& subject, const Decision& decision) {
  if (decision.delay.count() != 0 && !wait(call, decision.delay)) return true;
  switch (decision.outcome) {
    case Outcome::Proceed: break;
    case Outcome::Short: call.most = std::min(call.most, shortened(subject, decision.most)); break;
    case Outcome::Kill: kill(call.task.group); return true;
    case Outcome::Error: {
      if (call.notification.data.nr != SYS_brk) return call.fail(decision.error), true;
      VirtAddr now = 0;  // brk(2) has no errors: the heap's end stays where it is
      {
        const std::lock_guard lock(call.space().mutex);
        now = call.space().brk;
      }
      return call.reply_address(now), true;
    }
  }
  if (decision.stop_before != inject::Pages::kEnd) call.most = std::min(call.most, bytes_of(decision.stop_before) - *subject.offset);
  return false;
}

bool Failures::meets(Call& call) {
  Space& space = call.space();
  std::string program;
  {
    const std::lock_guard lock(space.mutex);
    if (space.state != Space::State::Running) return false;
    program = path_as_seen(call.task.group, space.program);
  }
  bool reads = false;
  for (const CallRow& row : kCalls) {
    if (row.number != call.notification.data.nr || !plan_.concerns(row.place)) continue;
    CallSubject subject;
    subject.place = row.place;
    subject.name = row.name;
    if (!look_at(call, row.shape, subject)) continue;
    const Decision decision = plan_.decide({row.place, Via::Call, row.name, subject.path, program, subject.first, subject.last,
                                            subject.length, subject.divisible, subject.held});
    if (!decision.hits.empty()) {
      report::HitLine hit;
      hit.what = row.name;
      hit.path = subject.path;
      hit.offset = subject.offset;
      hit.length = subject.length;
      hit.process = call.task.group;
      hit.thread = static_cast<pid_t>(call.notification.pid);
      hit.program = program;
      if (decision.outcome == Outcome::Short)
        hit.outcome = fmt::format("{} of {} bytes", shortened(subject, decision.most), subject.length);
      hit.code = snapshot(space, hit.thread);
      record(decision, hit);
    }
    if (carry_out(call, subject, decision)) return true;
    reads = reads || (row.place == Place::Read && row.shape == Shape::Transfer);
  }
  if (call.most == Call::kUnlimited || !reads) return false;
  read_in_part(call);
  return true;
}

}  // namespace pagefold::kernel
