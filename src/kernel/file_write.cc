// Calls that change a file, when files are fully owned. The supervisor makes them itself, through the guest's own open
// file description, so that offset, O_APPEND, O_DIRECT, quota and every errno are the host's; then the frames follow.
// Meanwhile no frame of the file can be filled (Changing), so that no mapping ever shows older bytes than a read does.
//
// The bytes to write are copied from the guest first: they may lie in a mapping of the very file.

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "kernel/file_calls.h"
#include "kernel/guest_memory.h"
#include "kernel/host_proc.h"

namespace pagefold::kernel {
namespace {

// The most that one call transfers (MAX_RW_COUNT), and in one step.
constexpr Bytes kMostAtOnce = 0x7ffff000, kStep = Bytes{8} << 20;

// ---- the guest's buffers

struct Buffers {
  std::vector<iovec> parts;
  Bytes size = 0;
};

// As import_iovec(): EINVAL for lengths that make no sense, and no more than one call may transfer.
Result<Buffers> buffers_of(const Call& call) {
  const auto number = call.notification.data.nr;
  Buffers all;
  if (number == SYS_write || number == SYS_pwrite64) {
    all.parts.push_back({reinterpret_cast<void*>(call.argument(1)), call.argument(2)});
  } else {
    const auto count = static_cast<int>(call.argument(2));
    if (count < 0 || count > IOV_MAX) return fail(EINVAL);
    all.parts.resize(static_cast<std::size_t>(count));
    PAGEFOLD_CHECK(read_guest(call.space(), call.argument(1), all.parts.data(), all.parts.size() * sizeof(iovec)));
  }
  for (iovec& part : all.parts) {
    if (static_cast<std::int64_t>(part.iov_len) < 0) return fail(EINVAL);
    const auto start = reinterpret_cast<VirtAddr>(part.iov_base);
    if (start > kUserTop || part.iov_len > kUserTop - start) return fail(EFAULT);
    part.iov_len = std::min(part.iov_len, kMostAtOnce - all.size);
    all.size += part.iov_len;
  }
  return all;
}

// Copies [from, from + length) of the buffers, as far as they can be read.
Bytes gather(Space& space, const Buffers& buffers, Bytes from, Bytes length, std::byte* to) {
  Bytes done = 0;
  for (const iovec& part : buffers.parts) {
    if (from >= part.iov_len) {
      from -= part.iov_len;
      continue;
    }
    auto at = reinterpret_cast<VirtAddr>(part.iov_base) + from;
    for (Bytes left = std::min(part.iov_len - from, length - done); left > 0;) {
      const Bytes n = std::min(left, kPageSize - (at & kPageMask));
      if (!read_guest(space, at, to + done, n)) return done;
      done += n, at += n, left -= n;
    }
    from = 0;
    if (done == length) break;
  }
  return done;
}

// Aligned as the guest's first buffer is: O_DIRECT cares.
std::byte* staging(Bytes size, VirtAddr like) {
  thread_local std::unique_ptr<std::byte[]> memory;
  thread_local Bytes capacity = 0;
  if (capacity < size + 2 * kPageSize) {
    capacity = size + 2 * kPageSize;
    memory = std::make_unique_for_overwrite<std::byte[]>(capacity);
  }
  auto* const page = reinterpret_cast<std::byte*>(page_up(reinterpret_cast<VirtAddr>(memory.get())));
  return page + (like & kPageMask);
}

// ---- write and its relatives

struct Write {
  bool positional = false;
  off_t offset = 0;
  int flags = 0;  // of pwritev2
};

Write shape_of(const Call& call) {
  const auto at = static_cast<off_t>(call.argument(3));
  switch (call.notification.data.nr) {
    case SYS_pwrite64:
    case SYS_pwritev:
      return {true, at, 0};
    case SYS_pwritev2:
      return {at != -1, at, static_cast<int>(call.argument(5))};
    default:
      return {};
  }
}

bool appends(const GuestFile& file, int flags) {
  return ((file.flags & O_APPEND) != 0 && (flags & 0x20) == 0) || (flags & RWF_APPEND) != 0;
}

Bytes size_of(const GuestFile& file) {
  struct stat now {};
  return ::fstat(file.fd.get(), &now) == 0 ? static_cast<Bytes>(now.st_size) : 0;
}

// RLIMIT_FSIZE is the guest's, the call is ours: how many of `length` bytes may be written at `offset`. 0 with EFBIG
// and a signal, as generic_write_check_limits() does.
Result<Bytes> within_limit(const Call& call, Bytes offset, Bytes length) {
  rlimit limit{};
  if (::prlimit(call.task.group, RLIMIT_FSIZE, nullptr, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return length;
  if (offset < limit.rlim_cur) return std::min<Bytes>(length, limit.rlim_cur - offset);
  ::syscall(SYS_tgkill, call.task.group, static_cast<pid_t>(call.notification.pid), SIGXFSZ);
  return fail(EFBIG);
}

// An address that cannot be read, for what could not be gathered: the host then ends the write there in its own way.
void* unreadable() {
  static void* const page = ::mmap(nullptr, kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page;
}

// Writes length bytes, of which only the first `there` are at `from`; the guest's memory has no more.
Result<Bytes> write_step(const Call& call, GuestFile& file, const Write& write, Bytes done, const std::byte* from,
                         Bytes there, Bytes length) {
  const Changing changing(call, file);
  const bool append = appends(file, write.flags);
  const off_t at = write.positional ? write.offset + static_cast<off_t>(done) : -1;
  const Bytes before =
      append ? size_of(file) : static_cast<Bytes>(write.positional ? at : ::lseek(file.fd.get(), 0, SEEK_CUR));
  length = PAGEFOLD_TRY(within_limit(call, before, length));
  there = std::min(there, length);
  const std::array<iovec, 2> parts{{{const_cast<std::byte*>(from), there}, {unreadable(), length - there}}};
  const ssize_t n = ::pwritev2(file.fd.get(), parts.data(), there < length ? 2 : 1, at, write.flags);
  const int error = errno;
  if (n < 0 && changing.full() != nullptr && changing.full()->outdated())  // it may have grown all the same
    changing.note(0, OwnFiles::kAll, [](cache::FullFile& full) { return full.resize(); });
  if (n < 0) return fail(error);
  const auto written = static_cast<Bytes>(n);
  // Where it went: the guest's offset can have been moved meanwhile, the end of the file can not.
  const Bytes start = append ? size_of(file) - written : before;
  if (changing.full() != nullptr && n > 0)
    changing.note(page_of(start), page_behind(start, written),
                  [&](cache::FullFile& full) { return full.wrote(start, from, written); });
  return written;
}

Result<Bytes> write_all(const Call& call, GuestFile& file, const Buffers& buffers, const Write& write) {
  Bytes done = 0;
  while (done < buffers.size) {
    const Bytes wish = std::min(buffers.size - done, kStep);
    const auto first = buffers.parts.empty() ? 0 : reinterpret_cast<VirtAddr>(buffers.parts.front().iov_base);
    std::byte* const bytes = staging(wish, first);
    const Bytes there = gather(call.space(), buffers, done, wish, bytes);
    const auto written = write_step(call, file, write, done, bytes, there, wish);
    if (written) done += *written;
    // Memory that could not be read may be there now: it may be a mapping of the very file, which has just grown.
    if (there < wish && (written ? *written == there : there == 0 && written.error().code == EFAULT)) {
      std::byte next{};
      if (gather(call.space(), buffers, done, 1, &next) == 1) continue;
    }
    if (!written) return done > 0 ? Result<Bytes>(done) : written;
    if (*written < wish) break;
  }
  return done;
}

// ---- copies by the kernel

struct Copy {
  int in, out;
  VirtAddr in_offset, out_offset;  // of the guest's off_t; 0: none
  Bytes length;
  unsigned flags;
};

Copy copy_of(const Call& call) {
  if (call.notification.data.nr == SYS_sendfile)
    return {static_cast<int>(call.argument(1)),
            static_cast<int>(call.argument(0)),
            call.argument(2),
            0,
            call.argument(3),
            0};
  return {static_cast<int>(call.argument(0)),
          static_cast<int>(call.argument(2)),
          call.argument(1),
          call.argument(3),
          call.argument(4),
          static_cast<unsigned>(call.argument(5))};
}

// A pipe with nothing in it: nothing may be held up while we wait for it. False: the guest gave up.
bool wait_for_input(const Call& call, int fd) {
  constexpr int kTick = 20;  // ms between looks at the guest
  pollfd ready{fd, POLLIN, 0};
  while (::poll(&ready, 1, kTick) == 0)
    if (!call.supervisor.listener().still_waiting(call.notification.id)) return false;
  return true;
}

ssize_t copy_once(const Call& call, const Copy& copy, int in, int out, off_t* in_at, off_t* out_at) {
  switch (call.notification.data.nr) {
    case SYS_sendfile:
      return ::sendfile(out, in, in_at, std::min(copy.length, kStep));
    case SYS_splice:
      return ::splice(in, in_at, out, out_at, std::min(copy.length, kStep), copy.flags | SPLICE_F_NONBLOCK);
    default:
      return ::copy_file_range(in, in_at, out, out_at, std::min(copy.length, kStep), copy.flags);
  }
}

// Into a regular file. What was there before is not asked for: the frames of the pages hit are dropped and read again.
Result<std::int64_t> copy_into(const Call& call, const Copy& copy, int in, GuestFile& out) {
  std::array<off_t, 2> at{};
  const std::array<VirtAddr, 2> from{copy.in_offset, copy.out_offset};
  for (std::size_t i = 0; i < 2; ++i)
    if (from[i] != 0) PAGEFOLD_CHECK(read_guest(call.space(), from[i], &at[i], sizeof(off_t)));
  const bool waits = call.notification.data.nr == SYS_splice && (copy.flags & SPLICE_F_NONBLOCK) == 0;
  ssize_t n = 0;
  do {
    if (waits && !wait_for_input(call, in)) return fail(EINTR);
    const Changing changing(call, out);
    const Bytes start = copy.out_offset != 0 ? static_cast<Bytes>(at[1])
                        : appends(out, 0)    ? size_of(out)
                                             : static_cast<Bytes>(::lseek(out.fd.get(), 0, SEEK_CUR));
    if (const auto most = within_limit(call, start, copy.length); !most) return tl::unexpected(most.error());
    cache::FullFile* const full = changing.full();
    const Bytes reach = std::min(copy.length, kStep);
    if (full != nullptr)
      PAGEFOLD_CHECK(call.supervisor.own_files()->write_back_locked(*full, page_of(start), page_behind(start, reach)));
    n = copy_once(call, copy, in, out.fd.get(), from[0] != 0 ? &at[0] : nullptr, from[1] != 0 ? &at[1] : nullptr);
    const int error = errno;
    const PageIndex first = page_of(start), last = page_behind(start, static_cast<Bytes>(std::max<ssize_t>(n, 0)));
    if (n > 0) changing.note(first, last, [&](cache::FullFile& file) { return file.changed(first, last); });
    if (n < 0 && !(waits && error == EAGAIN)) return fail(error);
  } while (n < 0);
  for (std::size_t i = 0; i < 2; ++i)
    if (from[i] != 0) PAGEFOLD_CHECK(write_guest(call.space(), from[i], &at[i], sizeof(off_t)));
  return n;
}

// ---- changes made by the host itself

// The regular, mapped file that an open or truncate by this path is about to cut, if there is one. Only to know it: the
// call itself stays the guest's, with its rights.
struct Target {
  UniqueFd place;
  std::shared_ptr<cache::FullFile> file;  // null: there is none
};

Target target_of(const Call& call, int directory, VirtAddr path_address) {
  const auto path = read_guest_string(call.space(), path_address, PATH_MAX);
  if (!path) return {};
  const auto tid = call.notification.pid;
  const bool absolute = path->starts_with('/');
  const auto base = absolute                ? fmt::format("/proc/{}/root", tid)
                    : directory == AT_FDCWD ? fmt::format("/proc/{}/cwd", tid)
                                            : fmt::format("/proc/{}/fd/{}", tid, directory);
  const UniqueFd start(::open(base.c_str(), O_PATH | O_CLOEXEC));
  open_how how{O_PATH | O_CLOEXEC, 0, absolute ? std::uint64_t{RESOLVE_IN_ROOT} : 0};
  UniqueFd target(static_cast<int>(::syscall(SYS_openat2, start.get(), path->c_str(), &how, sizeof how)));
  struct stat status {};
  if (!target || ::fstat(target.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  auto file = call.supervisor.files().full(status);
  return {std::move(target), std::move(file)};
}

// The guest's thread has the rights of the supervisor, no more and no less: what it asks for may be done in its place.
bool has_our_rights(const Call& call) {
  const auto tid = static_cast<pid_t>(call.notification.pid);
  for (const char* field : {"Uid:", "Gid:", "Groups:", "CapEff:"})
    if (host_status_field(tid, field) != host_status_field(::getpid(), field)) return false;
  return true;
}

// What a write by an ordinary user does to a file that lends its owner's or group's rights (fs/inode.c, file_remove_privs): the call
// is ours, and the host would let our rights count.
void withdraw_lent_rights(const Call& call, const GuestFile& file) {
  const mode_t mode = file.status.st_mode, group = S_ISGID | S_IXGRP;
  const mode_t lent = (mode & S_ISUID) | ((mode & group) == group ? S_ISGID : 0);
  if (lent != 0 && !has_our_rights(call)) (void)::fchmod(file.fd.get(), mode & 07777 & ~lent);
}

// Cuts or extends the file by `change`, called while no frame of it can be filled; the frames follow.
template <class Change>
Result<void> resize_in_place(const Call& call, cache::FullFile& file, Change&& change) {
  OwnFiles& files = *call.supervisor.own_files();
  const std::unique_lock contents(file.contents());
  if (!change()) return fail(errno);
  const Bytes old_size = file.size();
  count_gone(file.resize());
  files.changed(file, page_of(std::min(old_size, file.size())), OwnFiles::kAll, old_size);
  return {};
}

// The host makes the call. No touch of the file finds a frame until its outcome can be seen, or cannot be expected any
// more.
void proceed_and_follow(const Call& call, cache::FullFile& file) {
  using namespace std::chrono_literals;
  constexpr auto kPatience = 20ms;
  call.supervisor.about_to_wait();
  const std::unique_lock contents(file.contents());
  OwnFiles& files = *call.supervisor.own_files();
  (void)files.write_back_locked(file);
  count_gone(file.drop(0, OwnFiles::kAll));
  const Bytes old_size = file.size();
  struct stat before {
  }, now{};
  ::fstat(file.file(), &before);
  call.proceed();
  for (const auto end = std::chrono::steady_clock::now() + kPatience; std::chrono::steady_clock::now() < end;) {
    if (::fstat(file.file(), &now) != 0 || now.st_size != before.st_size ||
        now.st_ctim.tv_nsec != before.st_ctim.tv_nsec)
      break;
    std::this_thread::sleep_for(20us);
  }
  count_gone(file.changed(0, OwnFiles::kAll));
  files.changed(file, 0, OwnFiles::kAll, old_size);
}

}  // namespace

Changing::Changing(const Call& call, GuestFile& file)
    : files_(*call.supervisor.own_files()), gate_(call.supervisor.files().gate(file.status)) {
  withdraw_lent_rights(call, file);
  file_ = call.supervisor.files().full(file.status);
  if (file_) contents_ = std::unique_lock(file_->contents());
}

void on_file_write(const Call& call) {
  Result<Bytes> done = 0;
  {
    auto file = guest_file(call, static_cast<int>(call.argument(0)));
    if (!file || !file->writable()) return call.proceed();
    const Write write = shape_of(call);
    if (write.positional && write.offset < 0) return call.fail(EINVAL);
    const auto buffers = buffers_of(call);
    if (!buffers) return call.fail(buffers.error().code);
    if (buffers->size == 0) {
      file.reset();
      return call.proceed();
    }
    done = write_all(call, *file, *buffers, write);
  }
  done ? call.reply(static_cast<std::int64_t>(*done)) : call.fail(done.error().code);
}

void on_file_copy(const Call& call) {
  const Copy copy = copy_of(call);
  Result<std::int64_t> done = 0;
  {
    auto out = guest_file(call, copy.out);
    auto in = guest_file(call, copy.in);
    if (in && in->full)
      if (const auto clean = call.supervisor.own_files()->write_back(*in->full); !clean)
        return call.fail(clean.error().code);
    if (!out || !out->writable()) {
      in.reset(), out.reset();
      return call.proceed();
    }
    call.supervisor.about_to_wait();
    const auto source = in ? Result<UniqueFd>(std::move(in->fd)) : borrow(call, copy.in);
    if (!source) return call.fail(EBADF);
    done = copy_into(call, copy, source->get(), *out);
  }
  done ? call.reply(*done) : call.fail(done.error().code);
}

void on_ftruncate(const Call& call) {
  Result<void> done;
  {
    auto file = guest_file(call, static_cast<int>(call.argument(0)));
    const auto size = static_cast<off_t>(call.argument(1));
    if (!file || !file->writable() || size < 0) return call.proceed();
    const Changing changing(call, *file);
    if (static_cast<Bytes>(size) > size_of(*file)) {
      const auto most = within_limit(call, static_cast<Bytes>(size) - 1, 1);
      if (!most) done = tl::unexpected(most.error());
    }
    if (done && ::ftruncate(file->fd.get(), size) != 0) done = fail(errno);
    if (done) {
      const Bytes old_size = changing.full() == nullptr ? 0 : changing.full()->size();
      const PageIndex first = page_of(std::min<Bytes>(old_size, static_cast<Bytes>(size)));
      changing.note(first, OwnFiles::kAll, [](cache::FullFile& full) { return full.resize(); });
    }
  }
  call.finish(done);
}

void on_fallocate(const Call& call) {
  Result<void> done;
  {
    auto file = guest_file(call, static_cast<int>(call.argument(0)));
    const auto offset = static_cast<off_t>(call.argument(2)), length = static_cast<off_t>(call.argument(3));
    if (!file || !file->writable() || offset < 0 || length <= 0) return call.proceed();
    call.supervisor.about_to_wait();
    const Changing changing(call, *file);
    cache::FullFile* const full = changing.full();
    if (full != nullptr) done = call.supervisor.own_files()->write_back_locked(*full);
    const Bytes end = static_cast<Bytes>(offset) + static_cast<Bytes>(length);
    if (done && (call.argument(1) & FALLOC_FL_KEEP_SIZE) == 0 && end > size_of(*file)) {
      const auto most = within_limit(call, end - 1, 1);
      if (!most) done = tl::unexpected(most.error());
    }
    if (done && ::fallocate(file->fd.get(), static_cast<int>(call.argument(1)), offset, length) != 0)
      done = fail(errno);
    const PageIndex first = page_of(static_cast<Bytes>(offset));
    if (done)
      changing.note(first, OwnFiles::kAll,
                    [first](cache::FullFile& file) { return file.changed(first, OwnFiles::kAll); });
  }
  call.finish(done);
}

void on_truncate(const Call& call) {
  const Target target = target_of(call, AT_FDCWD, call.argument(0));
  const auto size = static_cast<off_t>(call.argument(1));
  if (!target.file) return call.proceed();
  if (size < 0 || !has_our_rights(call)) return proceed_and_follow(call, *target.file);
  if (static_cast<Bytes>(size) > target.file->size())
    if (const auto most = within_limit(call, static_cast<Bytes>(size) - 1, 1); !most)
      return call.fail(most.error().code);
  const auto place = fmt::format("/proc/self/fd/{}", target.place.get());
  call.finish(resize_in_place(call, *target.file, [&] { return ::truncate(place.c_str(), size) == 0; }));
}

bool open_and_truncate(const Call& call, int directory, VirtAddr path, std::uint64_t flags) {
  if (call.supervisor.own_files() == nullptr || (flags & O_TRUNC) == 0 || (flags & O_PATH) != 0) return false;
  if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return false;
  const Target target = target_of(call, directory, path);
  if (!target.file) return false;
  if (!has_our_rights(call)) {
    proceed_and_follow(call, *target.file);
    return true;
  }
  const auto place = fmt::format("/proc/self/fd/{}", target.place.get());
  UniqueFd opened;
  const auto done = resize_in_place(call, *target.file, [&] {
    opened.reset(::open(place.c_str(), (static_cast<int>(flags) & ~(O_CREAT | O_NOFOLLOW)) | O_CLOEXEC | O_NOCTTY));
    return static_cast<bool>(opened);
  });
  if (!done) {
    call.fail(done.error().code);
  } else if (const auto given =
                 call.supervisor.listener().reply_fd(call.notification.id, opened.get(), (flags & O_CLOEXEC) != 0);
             !given) {
    call.fail(given.error().code);
  }
  return true;
}

void on_truncating_open(const Call& call) {
  if (call.notification.data.nr == SYS_creat) {
    if (!open_and_truncate(call, AT_FDCWD, call.argument(0), O_TRUNC)) call.proceed();
    return;
  }
  open_how how{};
  if (call.argument(3) < sizeof how || !read_guest(call.space(), call.argument(2), &how, sizeof how))
    return call.proceed();
  if (!open_and_truncate(call, static_cast<int>(call.argument(0)), call.argument(1), how.flags)) call.proceed();
}

}  // namespace pagefold::kernel
