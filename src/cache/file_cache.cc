#include "cache/file_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "base/file_status.h"

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

// Files whose contents do not come from pages at all, and memory that only descriptors name: a process outside the run may
// share it, and it has no name under which anybody could look for it later.
bool has_ordinary_pages(int fd, const struct stat& status) {
  struct statfs fs {};
  if (::fstatfs(fd, &fs) != 0) return false;
  switch (fs.f_type) {
    case PROC_SUPER_MAGIC: case SYSFS_MAGIC: case DEBUGFS_MAGIC: case TRACEFS_MAGIC: case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC: case HUGETLBFS_MAGIC: case SECURITYFS_MAGIC: case BPF_FS_MAGIC: return false;
    case TMPFS_MAGIC: return status.st_nlink > 0;
    default: return true;
  }
}

// Another user's file that this user could not write: nobody here can open it for writing without a right Pagefold lacks.
bool trusted_without_lease(int fd) {
  return ::faccessat(AT_FDCWD, fmt::format("/proc/self/fd/{}", fd).c_str(), W_OK, AT_EACCESS) != 0;
}

}  // namespace

std::shared_ptr<HostObject> successor_of(const FileObject& file) {
  UniqueFd place(::fcntl(file.file(), F_DUPFD_CLOEXEC, 0));
  return std::make_shared<HostObject>(file.name(), file.device(), file.inode(), std::move(place));
}

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
    const int place = S_ISREG(status.st_mode) ? ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_PATH | O_CLOEXEC) : -1;
    return std::make_shared<HostObject>(name, status.st_dev, status.st_ino, UniqueFd(place));
  };
  if (ownership_ == Ownership::Full) {
    if (auto object = PAGEFOLD_TRY(lookup_full(fd, status, name))) return vm::ObjectRef(object);
    return host();
  }
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

Result<std::shared_ptr<FullFile>> FileCache::lookup_full(int fd, const struct stat& status, const std::string& name) {
  std::shared_ptr<FullFile> object;
  if (!S_ISREG(status.st_mode)) return object;
  const std::lock_guard closed(gate(status));
  object = full(status);
  if (object || !has_ordinary_pages(fd, status)) return object;
  UniqueFd own(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  struct stat now {};
  if (!own || ::fstat(own.get(), &now) != 0) return object;
  object = PAGEFOLD_TRY(FullFile::create(std::move(own), now, name));
  if (on_new_) on_new_(object);
  trim();
  const std::lock_guard lock(mutex_);
  owned_[{status.st_dev, status.st_ino}] = object;
  return object;
}

std::shared_ptr<FullFile> FileCache::full(const struct stat& status) const {
  const std::lock_guard lock(mutex_);
  const auto it = owned_.find({status.st_dev, status.st_ino});
  return it == owned_.end() ? nullptr : std::dynamic_pointer_cast<FullFile>(it->second);
}

std::vector<std::shared_ptr<FullFile>> FileCache::full_files() const {
  std::vector<std::shared_ptr<FullFile>> all;
  if (ownership_ == Ownership::Full)
    for (const auto& object : objects()) all.push_back(std::static_pointer_cast<FullFile>(object));
  return all;
}

void FileCache::forget_deleted() {
  std::vector<std::shared_ptr<FileObject>> dropped;  // closed outside the lock
  const std::lock_guard lock(mutex_);
  std::erase_if(owned_, [&](auto& entry) {
    if (entry.second.use_count() > 1) return false;
    const auto now = stat_without_times(entry.second->file());
    if (!now || now->st_nlink != 0) return false;
    dropped.push_back(std::move(entry.second));
    return true;
  });
}

void FileCache::trim() {
  std::vector<std::shared_ptr<FileObject>> dropped;  // closed outside the lock
  const std::lock_guard lock(mutex_);
  if (owned_.size() < kMostFiles) return;
  for (auto it = owned_.begin(); it != owned_.end();) {
    const auto* full = dynamic_cast<const FullFile*>(it->second.get());
    if (it->second.use_count() == 1 && (full == nullptr || full->dirty_pages() == 0)) {
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
