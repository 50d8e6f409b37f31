// Which file is which object. Looks a descriptor's file up by device and inode and decides its state (docs/architecture.md,
// "File states"): owned when nobody can be writing it, otherwise host-mapped; or, if the run asked for it, fully owned.
//
// watch() must be running (its own thread) while files are owned: it hears of every opener for writing, whom the kernel holds
// back until `on_writer` has returned and the lease is dropped.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "cache/file_object.h"
#include "cache/full_file.h"

namespace pagefold::cache {

// A mapping of something the host maps itself.
class HostObject final : public vm::Object {
 public:
  // place: a descriptor of the file, if it has one: what it is called today.
  HostObject(std::string name, dev_t device, ino_t inode, UniqueFd place = {})
      : Object(Kind::Host, std::move(name), device, inode), place_(std::move(place)) {}
  [[nodiscard]] int place() const { return place_.get(); }

 private:
  UniqueFd place_;
};

// The file, once the host maps it.
std::shared_ptr<HostObject> successor_of(const FileObject& file);

class FileCache {
 public:
  using FileHandler = std::function<void(const std::shared_ptr<FileObject>&)>;

  enum class Ownership : bool { Leased, Full };

  // on_new: sees each file object before anybody else does.
  explicit FileCache(FileHandler on_writer, FileHandler on_new = {}, Ownership ownership = Ownership::Leased)
      : on_writer_(std::move(on_writer)), on_new_(std::move(on_new)), ownership_(ownership) {}
  ~FileCache() { stop(); }

  // Blocks the lease signal in the calling thread and those it will start, and starts the watching thread.
  void start();
  void stop();

  // The object for a file that a guest maps. fd is only looked at. name is the file's path as the guest's /proc shows it.
  // Regular files nobody writes give a FileObject; all else a HostObject.
  Result<vm::ObjectRef> lookup(int fd, const std::string& name);

  // Fully owned files. gate: held while a file that may have no object yet is changed, so that no object comes into being
  // meanwhile; taken before FullFile::contents(). full: the object of a file, if it has one.
  [[nodiscard]] std::mutex& gate(const struct stat& status) { return gates_[(status.st_ino + status.st_dev) % gates_.size()]; }
  [[nodiscard]] std::shared_ptr<FullFile> full(const struct stat& status) const;
  [[nodiscard]] std::vector<std::shared_ptr<FullFile>> full_files() const;
  // Deleted files that nobody maps give their space back.
  void forget_deleted();

  [[nodiscard]] std::vector<std::shared_ptr<FileObject>> objects() const;
  [[nodiscard]] std::uint64_t host_mapped() const;

 private:
  using Key = std::pair<dev_t, ino_t>;

  // Null: the file cannot be fully owned.
  Result<std::shared_ptr<FullFile>> lookup_full(int fd, const struct stat& status, const std::string& name);
  void watch();
  // Waits until the watching thread has begun.
  [[nodiscard]] pid_t watcher_tid() const;
  void break_lease(int fd);
  void trim();

  FileHandler on_writer_, on_new_;
  const Ownership ownership_;
  std::array<std::mutex, 64> gates_;
  mutable std::mutex mutex_;  // the tables; never held while a file is read or on_writer_ runs
  std::map<Key, std::shared_ptr<FileObject>> owned_;
  std::map<int, std::weak_ptr<FileObject>> by_lease_;
  std::uint64_t host_mapped_ = 0;
  std::thread watcher_;
  std::atomic<pid_t> watcher_tid_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace pagefold::cache
