// Calls that change the size or the blocks of a fully owned file: truncate, ftruncate, fallocate, and opens with
// O_TRUNC. Those by path are made by the supervisor only for a guest whose rights are its own; else the host makes the
// call, and its outcome is awaited.

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "kernel/files/file_calls.h"
#include "kernel/files/guest_rights.h"
#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {
namespace {

// The regular, mapped file that an open or truncate by this path is about to cut, if there is one. Only to know it: the
// call itself stays the guest's, with its rights.
struct Target {
  UniqueFd place;
  std::shared_ptr<cache::FullFile> file;  // null: there is none
};

// How the path of an open is to be followed.
struct Path {
  int directory;
  VirtAddr name;
  std::uint64_t flags = 0;    // of open(2); O_NOFOLLOW counts
  std::uint64_t resolve = 0;  // of openat2(2)
};

Target target_of(const Call& call, const Path& path) {
  const auto name = read_guest_string(call.space(), path.name, PATH_MAX);
  if (!name) return {};
  const auto tid = call.notification.pid;
  const bool from_root = name->starts_with('/') && (path.resolve & RESOLVE_IN_ROOT) == 0;
  if (from_root && (path.resolve & RESOLVE_BENEATH) != 0) return {};
  const auto base = from_root                    ? fmt::format("/proc/{}/root", tid)
                    : path.directory == AT_FDCWD ? fmt::format("/proc/{}/cwd", tid)
                                                 : fmt::format("/proc/{}/fd/{}", tid, path.directory);
  const UniqueFd start(::open(base.c_str(), O_PATH | O_CLOEXEC));
  const open_how how{O_PATH | O_CLOEXEC | (path.flags & O_NOFOLLOW), 0,
                     path.resolve | (from_root ? std::uint64_t{RESOLVE_IN_ROOT} : 0)};
  const ActingAs acting(rights_to_act_with(static_cast<pid_t>(tid)));
  UniqueFd target(static_cast<int>(::syscall(SYS_openat2, start.get(), name->c_str(), &how, sizeof how)));
  struct stat status {};
  if (!target || ::fstat(target.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  auto file = call.supervisor.files().full(status);
  return {std::move(target), std::move(file)};
}

// Cuts or extends the file by `change`, called with the guest's rights and while no frame of it can be filled; the
// frames follow.
template <class Change>
Result<void> resize_in_place(const Call& call, cache::FullFile& file, Change&& change) {
  OwnFiles& files = *call.supervisor.own_files();
  const std::unique_lock contents(file.contents());
  {
    const ActingAs acting(rights_to_act_with(static_cast<pid_t>(call.notification.pid)));
    if (!change()) return fail(errno);
  }
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
  Workers::about_to_wait();
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

// The guest may have rights that we lack.
bool refused(const Result<void>& done) { return !done && (done.error().code == EACCES || done.error().code == EPERM); }

bool open_and_truncate(const Call& call, const Path& path) {
  if (call.supervisor.own_files() == nullptr || (path.flags & O_TRUNC) == 0 || (path.flags & O_PATH) != 0) return false;
  if ((path.flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return false;
  const Target target = target_of(call, path);
  if (!target.file) return false;
  const auto place = fmt::format("/proc/self/fd/{}", target.place.get());
  const int flags = (static_cast<int>(path.flags) & ~(O_CREAT | O_NOFOLLOW)) | O_CLOEXEC | O_NOCTTY;
  UniqueFd opened;
  const auto done = resize_in_place(call, *target.file, [&] {
    opened.reset(::open(place.c_str(), flags));
    return static_cast<bool>(opened);
  });
  if (refused(done)) {
    proceed_and_follow(call, *target.file);
  } else if (!done) {
    call.fail(done.error().code);
  } else if (const auto given =
                 call.supervisor.listener().reply_fd(call.notification.id, opened.get(), (path.flags & O_CLOEXEC) != 0);
             !given) {
    call.fail(given.error().code);
  }
  return true;
}

}  // namespace

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
    Workers::about_to_wait();
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
  const Target target = target_of(call, {AT_FDCWD, call.argument(0)});
  const auto size = static_cast<off_t>(call.argument(1));
  if (!target.file || size < 0) return call.proceed();
  if (static_cast<Bytes>(size) > target.file->size())
    if (const auto most = within_limit(call, static_cast<Bytes>(size) - 1, 1); !most)
      return call.fail(most.error().code);
  const auto place = fmt::format("/proc/self/fd/{}", target.place.get());
  const auto done = resize_in_place(call, *target.file, [&] { return ::truncate(place.c_str(), size) == 0; });
  refused(done) ? proceed_and_follow(call, *target.file) : call.finish(done);
}

bool open_and_truncate(const Call& call, int directory, VirtAddr path, std::uint64_t flags, std::uint64_t resolve) {
  return open_and_truncate(call, {directory, path, flags, resolve});
}

void on_creat(const Call& call) {
  if (!open_and_truncate(call, AT_FDCWD, call.argument(0), O_TRUNC | O_WRONLY)) call.proceed();
}

}  // namespace pagefold::kernel
