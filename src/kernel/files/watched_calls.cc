#include "kernel/files/watched_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "event/file_watch.h"
#include "kernel/calls.h"
#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {
namespace {

using event::FileId;
using event::FileWatch;
using Intent = FileWatch::Intent;

// "libfoo.so+0x1234": the file that is mapped where the call was made, and the place in it.
std::string place_of(const Call& call) {
  const VirtAddr at = call.notification.data.instruction_pointer;
  const std::lock_guard lock(call.space().mutex);
  const vm::Vma* v = call.space().map.find(at);
  if (v == nullptr || !v->object) return {};
  const std::string& path = v->object->name();
  return fmt::format("{}+{:#x}", path.substr(path.rfind('/') + 1), v->object_offset(at));
}

FileWatch::Caller caller_of(const Call& call) {
  return {call.task.group, static_cast<pid_t>(call.notification.pid), place_of(call)};
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
  if (number == SYS_write || number == SYS_pwrite64) return {{reinterpret_cast<void*>(call.argument(1)), call.argument(2)}};
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
    if (!read_guest(call.space(), reinterpret_cast<VirtAddr>(part.iov_base), text.data() + start, text.size() - start)) text.resize(start);
  }
  return text;
}

bool is_positional(int number) { return number == SYS_pwrite64 || number == SYS_pwritev || number == SYS_pwritev2; }

// O_SYNC, O_DSYNC, RWF_SYNC, RWF_DSYNC: the write is not over before its data are on the disk.
bool writes_through(const Call& call, int flags) {
  constexpr std::uint64_t kSync = RWF_SYNC | RWF_DSYNC;
  return (flags & O_DSYNC) != 0 || (call.notification.data.nr == SYS_pwritev2 && (call.argument(5) & kSync) != 0);
}

Intent intent_to_write(const Call& call, int fd, const struct stat& status) {
  Bytes length = 0;
  for (const iovec& part : buffers_of(call)) length += part.iov_len;
  const int flags = ::fcntl(fd, F_GETFL);
  Bytes offset = static_cast<Bytes>(status.st_size);
  if (is_positional(call.notification.data.nr) && static_cast<std::int64_t>(call.argument(3)) >= 0)
    offset = call.argument(3);
  else if ((flags & O_APPEND) == 0)
    offset = static_cast<Bytes>(::lseek(fd, 0, SEEK_CUR));
  return {Intent::Kind::Write, id_of(status), offset, length, writes_through(call, flags)};
}

void on_write(const Call& call) {
  FileWatch& watch = *call.supervisor.file_watch();
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
  call.proceed();
}

// Who handles the call in every run; null: the host.
Handler base_of(const Call& call) {
  const auto number = static_cast<std::uint32_t>(call.notification.data.nr);
  const auto row = std::ranges::find_if(syscall_table(), [&](const SyscallRow& r) { return r.number == number && !r.own_files; });
  return row == syscall_table().end() ? nullptr : row->handler;
}

void pass_on(const Call& call, const Intent& intent) {
  call.supervisor.file_watch()->about_to(caller_of(call), intent);
  const Handler base = base_of(call);
  base != nullptr ? base(call) : call.proceed();
}

void on_other(const Call& call) { pass_on(call, {}); }

void on_copy(const Call& call) { pass_on(call, {Intent::Kind::Copy, {}, 0, 0}); }

void on_shared_map(const Call& call) {
  Intent intent;
  const auto flags = call.argument(3);
  if (call.space().state == Space::State::Booting || (flags & MAP_ANONYMOUS) != 0 || (flags & MAP_TYPE) == MAP_PRIVATE) return base_of(call)(call);
  {
    const UniqueFd fd = borrowed(call, call.argument(4));
    struct stat status {};
    if (fd && ::fstat(fd.get(), &status) == 0) intent = {Intent::Kind::Map, id_of(status), 0, 0};
  }
  pass_on(call, intent);
}

// fd, and the bytes it means.
void on_resize(const Call& call) {
  {
    const UniqueFd fd = borrowed(call, call.argument(0));
    struct stat status {};
    Intent intent;
    if (fd && ::fstat(fd.get(), &status) == 0) {
      const bool truncates = call.notification.data.nr == SYS_ftruncate;
      intent = truncates ? Intent{Intent::Kind::Truncate, id_of(status), 0, call.argument(1)}
                         : Intent{Intent::Kind::Allocate, id_of(status), call.argument(2), call.argument(3)};
    }
    call.supervisor.file_watch()->about_to(caller_of(call), intent);
  }
  call.proceed();
}

void answer(const Call& call, std::optional<int> error) {
  if (!error) return call.proceed();
  *error == 0 ? call.reply(0) : call.fail(*error);
}

void on_sync(const Call& call) {
  FileId file;
  FileWatch::Scope scope = FileWatch::Scope::All;
  if (call.notification.data.nr != SYS_sync && call.notification.data.nr != SYS_syncfs) {
    const UniqueFd fd = borrowed(call, call.argument(0));
    struct stat status {};
    if (!fd || ::fstat(fd.get(), &status) != 0) return call.proceed();
    file = id_of(status);
    scope = call.notification.data.nr == SYS_fsync ? FileWatch::Scope::File : FileWatch::Scope::Data;
  }
  call.supervisor.about_to_wait();
  answer(call, call.supervisor.file_watch()->synchronise(caller_of(call), scope, file, 0, 0));
}

// The host checks arguments and waits for the disk; then the watcher learns of it, file by file.
void on_watched_msync(const Call& call) {
  const VirtRange range{call.argument(0), page_up(call.argument(0) + call.argument(1))};
  std::vector<vm::Vma> files;
  if (page_aligned(range.start) && range.start < range.end && (call.argument(2) & ~std::uint64_t{MS_INVALIDATE}) == MS_SYNC) {
    const std::lock_guard lock(call.space().mutex);
    if (call.space().map.is_covered(range))
      call.space().map.visit(range, [&](const vm::Vma& v) {
        if (v.shared && v.host()) files.push_back(vm::clip(v, range));
      });
  }
  if (files.empty()) return on_other(call);
  call.supervisor.about_to_wait();
  const FileWatch::Caller caller = caller_of(call);
  for (const vm::Vma& v : files) {
    const auto error = call.supervisor.file_watch()->synchronise(caller, FileWatch::Scope::Range, {v.object->device(), v.object->inode()},
                                                                 v.offset, v.range.size());
    if (error.value_or(0) != 0) return call.fail(*error);
  }
  on_msync(call);
}

using When = SyscallRow::When;
using FromStub = SyscallRow::FromStub;

constexpr SyscallRow watched(std::uint32_t number, Handler handler) { return {number, handler, When::Always, 0, FromStub::Passes}; }

constexpr SyscallRow kWatched[] = {
    watched(SYS_write, on_write),
    watched(SYS_pwrite64, on_write),
    watched(SYS_writev, on_write),
    watched(SYS_pwritev, on_write),
    watched(SYS_pwritev2, on_write),
    watched(SYS_sendfile, on_copy),
    watched(SYS_splice, on_copy),
    watched(SYS_copy_file_range, on_copy),
    watched(SYS_ftruncate, on_resize),
    watched(SYS_fallocate, on_resize),
    watched(SYS_truncate, on_copy),
    watched(SYS_fsync, on_sync),
    watched(SYS_fdatasync, on_sync),
    watched(SYS_sync, on_sync),
    watched(SYS_syncfs, on_sync),
    watched(SYS_mmap, on_shared_map),
    watched(SYS_msync, on_watched_msync),
    watched(SYS_open, on_other),
    watched(SYS_openat, on_other),
    watched(SYS_openat2, on_other),
    watched(SYS_creat, on_other),
    watched(SYS_rename, on_other),
    watched(SYS_renameat, on_other),
    watched(SYS_renameat2, on_other),
    watched(SYS_link, on_other),
    watched(SYS_linkat, on_other),
    watched(SYS_symlink, on_other),
    watched(SYS_symlinkat, on_other),
    watched(SYS_unlink, on_other),
    watched(SYS_unlinkat, on_other),
    watched(SYS_mkdir, on_other),
    watched(SYS_mkdirat, on_other),
    watched(SYS_rmdir, on_other),
};

}  // namespace

std::span<const SyscallRow> watched_calls() { return kWatched; }

Handler find_watched_handler(std::uint32_t number) {
  const auto* row = std::ranges::find(kWatched, number, &SyscallRow::number);
  return row == std::end(kWatched) ? nullptr : row->handler;
}

}  // namespace pagefold::kernel
