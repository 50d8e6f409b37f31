#include "cache/file_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <linux/magic.h>

namespace pagefold::cache {
namespace {

// How many files may stay in the cache while nothing maps them; each costs two descriptors.
constexpr std::size_t kMostFiles = 2048;

int lease_signal() { return SIGRTMIN + 4; }

enum class LeaseOutcome { Held, WriterExists, NotOurs, Unsupported };

LeaseOutcome take_lease(int fd, pid_t owner) {
  f_owner_ex who{F_OWNER_TID, owner};
  if (::fcntl(fd, F_SETSIG, lease_signal()) != 0 || ::fcntl(fd, F_SETOWN_EX, &who) != 0) return LeaseOutcome::Unsupported;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) == 0) return LeaseOutcome::Held;
  switch (errno) {
    case EAGAIN: return LeaseOutcome::WriterExists;
    case EACCES: return LeaseOutcome::NotOurs;  // neither the file's owner nor CAP_LEASE
    default: return LeaseOutcome::Unsupported;
  }
}

// Another user's file that this user could not write: nobody here can open it for writing without a right Pagefold lacks.
bool trusted_without_lease(int fd) {
  return ::faccessat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd).c_str(), W_OK, AT_EACCESS) != 0;
}

}  // namespace

void FileCache::start() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, lease_signal());
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::thread([this] { watch(); });
}

void FileCache::stop() {
  if (!watcher_.joinable()) return;
  stopping_ = true;
  ::syscall(SYS_tgkill, ::getpid(), watcher_tid(), lease_signal());
  watcher_.join();
}

pid_t FileCache::watcher_tid() const {
  watcher_tid_.wait(0);
  return watcher_tid_;
}

void FileCache::watch() {
  watcher_tid_ = static_cast<pid_t>(::syscall(SYS_gettid));
  watcher_tid_.notify_all();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, lease_signal());
  while (!stopping_) {
    siginfo_t info{};
    if (::sigwaitinfo(&set, &info) < 0 || stopping_) continue;
    break_lease(info.si_fd);
  }
}

void FileCache::break_lease(int fd) {
  std::shared_ptr<FileObject> object;
  {
    const std::lock_guard lock(mutex_);
    const auto it = by_lease_.find(fd);
    if (it == by_lease_.end()) return;
    object = it->second.lock();
    by_lease_.erase(it);
    if (!object) return;
    const auto owned = owned_.find({object->device(), object->inode()});
    if (owned != owned_.end() && owned->second == object) owned_.erase(owned);
  }
  object->give_up();
  on_writer_(object);
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
}

Result<vm::ObjectRef> FileCache::lookup(int fd, const std::string& name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno("fstat " + name);
  const auto host = [&]() -> vm::ObjectRef {
    const std::lock_guard lock(mutex_);
    ++host_mapped_;
    return std::make_shared<HostObject>(name, status.st_dev, status.st_ino);
  };
  struct statfs fs {};
  if (!S_ISREG(status.st_mode) || status.st_size == 0 || ::fstatfs(fd, &fs) != 0 || fs.f_type == TMPFS_MAGIC) return host();

  {
    const std::lock_guard lock(mutex_);
    const auto it = owned_.find({status.st_dev, status.st_ino});
    if (it != owned_.end() && it->second->matches(status) && it->second->name() == name) return vm::ObjectRef(it->second);
  }
  UniqueFd own(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!own) return host();
  const int lease_fd = own.get();
  const LeaseOutcome lease = take_lease(lease_fd, watcher_tid());
  if (lease == LeaseOutcome::WriterExists || lease == LeaseOutcome::Unsupported) return host();
  if (lease == LeaseOutcome::NotOurs && !trusted_without_lease(lease_fd)) return host();
  // Under the lease nobody writes: what is read now stays true.
  if (::fstat(lease_fd, &status) != 0) return host();
  auto object = PAGEFOLD_TRY(FileObject::create(std::move(own), status, name));
  if (on_new_) on_new_(object);
  trim();
  {
    const std::lock_guard lock(mutex_);
    by_lease_[lease_fd] = object;
    owned_[{status.st_dev, status.st_ino}] = object;
  }
  // A writer who came before the lines above was told to the watcher in vain, and still waits.
  if (lease == LeaseOutcome::Held && ::fcntl(lease_fd, F_GETLEASE) != F_RDLCK) {
    break_lease(lease_fd);
    return host();
  }
  return vm::ObjectRef(object);
}

void FileCache::trim() {
  std::vector<std::shared_ptr<FileObject>> dropped;  // closed outside the lock
  const std::lock_guard lock(mutex_);
  if (owned_.size() < kMostFiles) return;
  for (auto it = owned_.begin(); it != owned_.end();) {
    if (it->second.use_count() == 1) {
      by_lease_.erase(it->second->file());
      dropped.push_back(std::move(it->second));
      it = owned_.erase(it);
    } else {
      ++it;
    }
  }
}

std::vector<std::shared_ptr<FileObject>> FileCache::objects() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<FileObject>> all;
  for (const auto& [key, object] : owned_) all.push_back(object);
  return all;
}

std::uint64_t FileCache::host_mapped() const {
  const std::lock_guard lock(mutex_);
  return host_mapped_;
}

}  // namespace pagefold::cache
