#include "crash/rebuild.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <set>

#include "base/fd.h"
#include "base/page.h"

namespace pagefold::crash {
namespace {

// A file's contents, in runs. What lies between them is zeros: already there in a new file, punched out of an old one.
class Writer {
 public:
  Writer(const History& history, const Image& image, const Image::File& file, int fd, bool anew)
      : history_(history), image_(image), file_(file), fd_(fd), anew_(anew) {}

  // False: errno tells why.
  bool write() {
    // An old last page may hold bytes behind the end of the file.
    if (!anew_ && ::ftruncate(fd_, static_cast<off_t>(page_down(file_.size))) != 0) return false;
    for (const auto& [grain, unit] : file_.what->data) {
      const auto bytes = visible(history_, image_.values[unit], grain, file_.size);
      if (bytes.empty()) continue;
      const Bytes at = grain * history_.grain();
      if ((at != end_ || run_.size() == IOV_MAX) && !flush()) return false;
      if (at != end_ && !zeros(at)) return false;
      if (run_.empty()) start_ = at;
      run_.push_back({const_cast<std::byte*>(bytes.data()), bytes.size()});
      end_ = at + bytes.size();
    }
    return flush() && zeros(file_.size) && ::ftruncate(fd_, static_cast<off_t>(file_.size)) == 0;
  }

 private:
  bool flush() {
    if (run_.empty()) return true;
    const ssize_t n = ::pwritev(fd_, run_.data(), static_cast<int>(run_.size()), static_cast<off_t>(start_));
    run_.clear();
    if (n >= 0) errno = ENOSPC;  // cut short: there is no other reason
    return n == static_cast<ssize_t>(end_ - start_);
  }
  // From the end of the last run.
  bool zeros(Bytes until) {
    if (anew_ || until <= end_) return true;
    return ::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(end_),
                       static_cast<off_t>(until - end_)) == 0;
  }

  const History& history_;
  const Image& image_;
  const Image::File& file_;
  int fd_;
  bool anew_;
  std::vector<iovec> run_;
  Bytes start_ = 0, end_ = 0;  // of the run
};

// As a file that was just made, but for its contents and its mode.
bool is_plain(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == ::geteuid() &&
         status.st_gid == ::getegid() && ::flistxattr(fd, nullptr, 0) <= 0;
}

bool set_mode(int fd, const Image::File& file) { return ::fchmod(fd, file.what->mode | 0600) == 0; }

bool write_over(const History& history, const Image& image, const Image::File& file, const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  return fd && is_plain(fd.get()) && set_mode(fd.get(), file) && Writer(history, image, file, fd.get(), false).write();
}

Result<void> write_regular(const History& history, const Image& image, const Image::File& file, const std::string& path,
                           bool there) {
  if (there) {
    if (write_over(history, image, file, path)) return {};
    if (::unlink(path.c_str()) != 0) return fail_errno(path);
  }
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const bool written = fd && set_mode(fd.get(), file) && Writer(history, image, file, fd.get(), true).write();
  return written ? Result<void>{} : fail_errno(path);
}

Result<void> write_file(const History& history, const Image& image, const Image::File& file, const std::string& path,
                        bool there) {
  switch (file.what->type) {
    case FileType::Directory:
      return ::mkdir(path.c_str(), 0755) == 0 ? Result<void>{} : fail_errno(path);
    case FileType::Link:
      return ::symlink(file.what->target.c_str(), path.c_str()) == 0 ? Result<void>{} : fail_errno(path);
    case FileType::Regular:
      break;
  }
  return write_regular(history, image, file, path, there);
}

using Names = std::set<std::string, std::less<>>;

// Regular files of the image, by their first names.
Names regular_files(const Image& image) {
  Names names;
  std::set<const History::File*> met;
  for (const Image::File& file : image.files)
    if (file.what->type == FileType::Regular && met.insert(file.what).second) names.insert(file.path);
  return names;
}

// Removes what is in a directory, but for regular files that are `wanted`; returns these.
Result<Names> clear(const std::string& directory, const Names& wanted) {
  Names kept;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (wanted.contains(name) && entry.symlink_status(error).type() == std::filesystem::file_type::regular)
      kept.insert(name);
    else
      std::filesystem::remove_all(entry.path(), error);
    if (error) break;
  }
  if (error) return fail(error.value(), "clear " + directory);
  return kept;
}

}  // namespace

Result<void> rebuild(const History& history, const Image& image, const std::string& directory) {
  Names kept;
  if (::mkdir(directory.c_str(), 0755) != 0) {
    if (errno != EEXIST) return fail_errno(directory);
    kept = PAGEFOLD_TRY(clear(directory, regular_files(image)));
  }
  std::map<const History::File*, std::string> written;
  for (const Image::File& file : image.files) {
    const std::string path = directory + "/" + file.path;
    const auto [first, fresh] = written.try_emplace(file.what, path);
    if (fresh)
      PAGEFOLD_CHECK(write_file(history, image, file, path, kept.contains(file.path)));
    else if (::link(first->second.c_str(), path.c_str()) != 0)
      return fail_errno(path);
  }
  return {};
}

}  // namespace pagefold::crash
