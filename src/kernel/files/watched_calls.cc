#include "kernel/files/watched_calls.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "event/file_watch.h"
#include "kernel/calls.h"
#include "kernel/fail/failures.h"
#include "kernel/files/file_calls.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/sync/host_plan.h"

namespace pagefold::kernel {
namespace {

using event::FileId;
using event::FileWatch;
using Intent = FileWatch::Intent;

FileWatch::Caller caller_of(const Call& call) {
  const auto thread = static_cast<pid_t>(call.notification.pid);
  return {call.task.group, thread, std::make_shared<event::CodeSnapshot>(snapshot(call.space(), thread))};
}

// The guest's descriptor as our own; empty if it has none.
UniqueFd borrowed(const Call& call, std::uint64_t fd) {
  auto own = borrow(call, static_cast<int>(fd));
  return own ? std::move(*own) : UniqueFd();
}

FileId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

bool is_our_output(const struct stat& status) {
  struct stat ours {};
  return ::fstat(STDOUT_FILENO, &ours) == 0 && id_of(ours) == id_of(status) && ours.st_rdev == status.st_rdev;
}

// The call's buffers, one after the other.
std::vector<iovec> buffers_of(const Call& call) {
  const auto number = call.notification.data.nr;
  if (number == SYS_write || number == SYS_pwrite64)
    return {{reinterpret_cast<void*>(call.argument(1)), call.argument(2)}};
  std::vector<iovec> parts(std::min<std::uint64_t>(call.argument(2), IOV_MAX));
  if (!read_guest(call.space(), call.argument(1), parts.data(), parts.size() * sizeof(iovec))) parts.clear();
  return parts;
}

std::string text_of(const Call& call, const std::vector<iovec>& parts) {
  constexpr std::size_t kMost = 1 << 16;
  std::string text;
  for (const iovec& part : parts) {
    const std::size_t start = text.size();
    text.resize(start + std::min(part.iov_len, kMost - start));
    if (!read_guest(call.space(), reinterpret_cast<VirtAddr>(part.iov_base), text.data() + start, text.size() - start))
      text.resize(start);
  }
  return text;
}

bool is_positional(int number) { return number == SYS_pwrite64 || number == SYS_pwritev || number == SYS_pwritev2; }

// O_SYNC, O_DSYNC, RWF_SYNC, RWF_DSYNC: the write is not over before its data are on the disk.
bool writes_through(const Call& call, int flags) {
  constexpr std::uint64_t kSync = RWF_SYNC | RWF_DSYNC;
  return (flags & O_DSYNC) != 0 || (call.notification.data.nr == SYS_pwritev2 && (call.argument(5) & kSync) != 0);
}

// For a call that gives no offset.
Bytes where_it_writes(int fd, const struct stat& status) {
  if ((::fcntl(fd, F_GETFL) & O_APPEND) != 0) return static_cast<Bytes>(status.st_size);
  return static_cast<Bytes>(std::max<off_t>(0, ::lseek(fd, 0, SEEK_CUR)));
}

Intent intent_to_write(const Call& call, int fd, const struct stat& status) {
  Bytes length = 0;
  for (const iovec& part : buffers_of(call)) length += part.iov_len;
  const bool given = is_positional(call.notification.data.nr) && static_cast<std::int64_t>(call.argument(3)) >= 0;
  Bytes offset = given ? call.argument(3) : where_it_writes(fd, status);
  const bool appends = call.notification.data.nr == SYS_pwritev2 && (call.argument(5) & RWF_APPEND) != 0;
  if (appends) offset = static_cast<Bytes>(status.st_size);
  return {Intent::Kind::Write, id_of(status), offset, length, writes_through(call, ::fcntl(fd, F_GETFL))};
}

// Stores that came before the call are in the files, and told, before it goes on.
void settle_stores(const Call& call) { (void)call.supervisor.own_files()->write_back_all(); }

// What the call means in a run that nobody watches.
void go_on(const Call& call) {
  const Handler base = find_handler(static_cast<std::uint32_t>(call.notification.data.nr));
  base != nullptr ? base(call) : call.proceed();
}

void pass_on(const Call& call, const Intent& intent) {
  settle_stores(call);
  call.supervisor.file_watch()->about_to(caller_of(call), intent);
  go_on(call);
}

void on_write(const Call& call) {
  FileWatch& watch = *call.supervisor.file_watch();
  settle_stores(call);
  {
    const UniqueFd fd = borrowed(call, call.argument(0));
    struct stat status {};
    if (fd && ::fstat(fd.get(), &status) == 0) {
      if (is_our_output(status))
        watch.tells(caller_of(call), text_of(call, buffers_of(call)));
      else if (S_ISREG(status.st_mode))
        watch.about_to(caller_of(call), intent_to_write(call, fd.get(), status));
    }
  }
  go_on(call);
}

void on_other(const Call& call) { pass_on(call, {}); }

// sendfile, splice and copy_file_range: a write to what they copy into, if that is a file.
void on_copy(const Call& call) {
  const CopyCall copy = copy_call(call);
  Intent intent;
  {
    const UniqueFd fd = borrowed(call, static_cast<std::uint64_t>(copy.out));
    struct stat status {};
    if (fd && ::fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode)) {
      Bytes offset = where_it_writes(fd.get(), status);
      if (copy.out_offset != 0 && !read_guest(call.space(), copy.out_offset, &offset, sizeof offset)) offset = 0;
      intent = {Intent::Kind::Write, id_of(status), offset, copy.length};
    }
  }
  pass_on(call, intent);
}

// fd, and the bytes it means.
void on_resize(const Call& call) {
  Intent intent;
  {
    const UniqueFd fd = borrowed(call, call.argument(0));
    struct stat status {};
    if (fd && ::fstat(fd.get(), &status) == 0) {
      const bool truncates = call.notification.data.nr == SYS_ftruncate;
      intent = truncates ? Intent{Intent::Kind::Truncate, id_of(status), 0, call.argument(1)}
                         : Intent{Intent::Kind::Allocate, id_of(status), call.argument(2), call.argument(3), false, static_cast<int>(call.argument(1))};
    }
  }
  pass_on(call, intent);
}

FileWatch::Scope scope_of(const Call& call) {
  switch (call.notification.data.nr) {
    case SYS_fsync:
      return FileWatch::Scope::File;
    case SYS_fdatasync:
      return FileWatch::Scope::Data;
    default:
      return FileWatch::Scope::All;
  }
}

// The call is made here, so that its end has its place among the other events.
void on_sync(const Call& call) {
  Workers::about_to_wait();
  settle_stores(call);
  const FileWatch::Scope scope = scope_of(call);
  std::optional<int> error;
  {
    FileId file;
    UniqueFd fd;  // of a directory, as well
    if (call.notification.data.nr != SYS_sync) {
      fd = borrowed(call, call.argument(0));
      struct stat status {};
      if (!fd || ::fstat(fd.get(), &status) != 0) return go_on(call);
      file = id_of(status);
    }
    error = call.supervisor.file_watch()->synchronise(caller_of(call), scope, file, 0, 0, [&] {
      if (scope == FileWatch::Scope::All && !fd) ::sync();
      if (!fd) return 0;
      const bool data_only = scope == FileWatch::Scope::Data;
      const auto mapped = guest_file(call, static_cast<int>(call.argument(0)));
      if (mapped && mapped->full && scope != FileWatch::Scope::All) {
        const auto done = call.supervisor.own_files()->synchronise(mapped->full, {fd.get(), data_only, static_cast<pid_t>(call.notification.pid)});
        return done ? 0 : done.error().code;
      }
      const int outcome = scope == FileWatch::Scope::All ? ::syncfs(fd.get()) : data_only ? ::fdatasync(fd.get()) : ::fsync(fd.get());
      return outcome == 0 ? 0 : errno;
    });
  }
  if (!error) return go_on(call);
  *error == 0 ? call.reply(0) : call.fail(*error);
}

// The pages of each file of the range; then arguments and errors as in every run.
void on_watched_msync(const Call& call) {
  const VirtRange range{call.argument(0), page_up(call.argument(0) + call.argument(1))};
  std::vector<vm::Vma> files;
  if (page_aligned(range.start) && range.start < range.end &&
      (call.argument(2) & ~std::uint64_t{MS_INVALIDATE}) == MS_SYNC) {
    const std::lock_guard lock(call.space().mutex);
    if (call.space().map.is_covered(range))
      call.space().map.visit(range, [&](const vm::Vma& v) {
        if (tracked(v)) files.push_back(vm::clip(v, range));
      });
  }
  if (files.empty()) return on_other(call);
  Workers::about_to_wait();
  settle_stores(call);
  const FileWatch::Caller caller = caller_of(call);
  for (const vm::Vma& v : files) {
    const auto file = std::static_pointer_cast<cache::FullFile>(v.object);
    const auto error = call.supervisor.file_watch()->synchronise(
        caller, FileWatch::Scope::Range, {v.object->device(), v.object->inode()}, v.offset, v.range.size(), [&] {
          const PageIndex first = page_of(v.offset);
          const auto done = call.supervisor.own_files()->synchronise(file, {.thread = caller.thread}, first, first + v.range.pages());
          return done ? 0 : done.error().code;
        });
    if (error.value_or(0) != 0) return call.fail(*error);
  }
  on_msync(call);
}

using When = SyscallRow::When;
using FromStub = SyscallRow::FromStub;

constexpr SyscallRow watched(std::uint32_t number, Handler handler) {
  return {number, handler, When::Always, 0, FromStub::Passes};
}

constexpr SyscallRow kWatched[] = {
    watched(SYS_write, on_write),      watched(SYS_pwrite64, on_write),
    watched(SYS_writev, on_write),     watched(SYS_pwritev, on_write),
    watched(SYS_pwritev2, on_write),   watched(SYS_sendfile, on_copy),
    watched(SYS_splice, on_copy),      watched(SYS_copy_file_range, on_copy),
    watched(SYS_ftruncate, on_resize), watched(SYS_fallocate, on_resize),
    watched(SYS_truncate, on_other),   watched(SYS_fsync, on_sync),
    watched(SYS_fdatasync, on_sync),   watched(SYS_sync, on_sync),
    watched(SYS_syncfs, on_sync),      watched(SYS_msync, on_watched_msync),
    watched(SYS_open, on_other),       watched(SYS_openat, on_other),
    watched(SYS_openat2, on_other),    watched(SYS_creat, on_other),
    watched(SYS_rename, on_other),     watched(SYS_renameat, on_other),
    watched(SYS_renameat2, on_other),  watched(SYS_link, on_other),
    watched(SYS_linkat, on_other),     watched(SYS_symlink, on_other),
    watched(SYS_symlinkat, on_other),  watched(SYS_unlink, on_other),
    watched(SYS_unlinkat, on_other),   watched(SYS_mkdir, on_other),
    watched(SYS_mkdirat, on_other),    watched(SYS_rmdir, on_other),
};

}  // namespace

std::span<const SyscallRow> watched_calls() { return kWatched; }

Handler find_watched_handler(std::uint32_t number) {
  const auto* row = std::ranges::find(kWatched, number, &SyscallRow::number);
  return row == std::end(kWatched) ? nullptr : row->handler;
}

}  // namespace pagefold::kernel
