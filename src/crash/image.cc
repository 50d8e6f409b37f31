#include "crash/image.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/fd.h"
#include "crash/hash.h"

namespace pagefold::crash {
namespace {

// The bytes of a grain that lie within the file.
std::span<const std::byte> visible(const History& history, const Value& value, std::uint64_t grain, Bytes size) {
  const Bytes start = grain * history.grain();
  if (value.bytes == nullptr || start >= size) return {};
  return {value.bytes, std::min(history.grain(), size - start)};
}

std::uint64_t hash_file(const History& history, const Image::File& file, const std::vector<Value>& values) {
  RunningHash hash;
  hash.add(file.size);
  hash.add(static_cast<std::uint64_t>(file.what->type));
  if (file.what->type == FileType::Link) hash.add(hash_of(std::as_bytes(std::span(file.what->target))));
  for (const auto& [grain, unit] : file.what->data) {
    const auto bytes = visible(history, values[unit], grain, file.size);
    if (bytes.empty()) continue;
    const bool whole = bytes.size() == history.grain();
    if (!whole && std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) continue;
    hash.add(grain);
    hash.add(whole ? values[unit].number : hash_of(bytes));
  }
  return hash.value();
}

class Walk {
 public:
  Walk(const History& history, Image& image) : history_(history), image_(image) {}

  void directory(FileNumber number, const std::string& prefix) {
    if (!entered_.insert(number).second) return;  // two names for one directory: the first is shown
    for (const auto& [name, unit] : history_.files().at(number).entries) {
      const auto file = static_cast<FileNumber>(image_.values[unit].number);
      if (file == kNoFile || entered_.contains(file)) continue;
      const History::File& what = history_.files().at(file);
      image_.files.push_back(
          {prefix + name, &what, what.type == FileType::Regular ? image_.values[what.size].number : 0});
      if (what.type == FileType::Directory) directory(file, prefix + name + "/");
    }
  }

 private:
  const History& history_;
  Image& image_;
  std::set<FileNumber> entered_;
};

Result<void> write_runs(const History& history, const Image& image, const Image::File& file, int fd) {
  std::vector<iovec> run;
  Bytes start = 0, end = 0;
  const auto flush = [&]() -> bool {
    if (run.empty()) return true;
    const ssize_t n = ::pwritev(fd, run.data(), static_cast<int>(run.size()), static_cast<off_t>(start));
    run.clear();
    if (n >= 0) errno = ENOSPC;  // cut short: there is no other reason
    return n == static_cast<ssize_t>(end - start);
  };
  for (const auto& [grain, unit] : file.what->data) {
    const auto bytes = visible(history, image.values[unit], grain, file.size);
    if (bytes.empty()) continue;
    const Bytes at = grain * history.grain();
    if ((at != end || run.size() == IOV_MAX) && !flush()) return fail_errno(file.path);
    if (run.empty()) start = at;
    run.push_back({const_cast<std::byte*>(bytes.data()), bytes.size()});
    end = at + bytes.size();
  }
  return flush() ? Result<void>{} : fail_errno(file.path);
}

Result<void> write_file(const History& history, const Image& image, const Image::File& file, const std::string& path) {
  switch (file.what->type) {
    case FileType::Directory:
      return ::mkdir(path.c_str(), 0755) == 0 ? Result<void>{} : fail_errno(path);
    case FileType::Link:
      return ::symlink(file.what->target.c_str(), path.c_str()) == 0 ? Result<void>{} : fail_errno(path);
    case FileType::Regular:
      break;
  }
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file.what->mode | 0600));
  if (!fd) return fail_errno(path);
  PAGEFOLD_CHECK(write_runs(history, image, file, fd.get()));
  // Its end may be zeros, which are not written.
  return ::ftruncate(fd.get(), static_cast<off_t>(file.size)) == 0 ? Result<void>{} : fail_errno(path);
}

}  // namespace

Image image_of(const History& history, std::vector<Value> values) {
  Image image;
  image.values = std::move(values);
  Walk(history, image).directory(kRoot, "");
  RunningHash hash;
  std::map<const History::File*, std::uint64_t> names;  // hard links show
  for (const Image::File& file : image.files) {
    hash.add(hash_of(std::as_bytes(std::span(file.path))));
    hash.add(names.try_emplace(file.what, names.size()).first->second);
    hash.add(hash_file(history, file, image.values));
  }
  image.hash = hash.value();
  return image;
}

Result<void> clear_directory(const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    std::filesystem::remove_all(entry.path(), error);
    if (error) break;
  }
  return error ? Result<void>(fail(error.value(), "clear " + directory)) : Result<void>{};
}

Result<void> rebuild(const History& history, const Image& image, const std::string& directory) {
  if (::mkdir(directory.c_str(), 0755) != 0) {
    if (errno != EEXIST) return fail_errno(directory);
    PAGEFOLD_CHECK(clear_directory(directory));
  }
  std::map<const History::File*, std::string> written;
  for (const Image::File& file : image.files) {
    const std::string path = directory + "/" + file.path;
    const auto [first, fresh] = written.try_emplace(file.what, path);
    if (fresh)
      PAGEFOLD_CHECK(write_file(history, image, file, path));
    else if (::link(first->second.c_str(), path.c_str()) != 0)
      return fail_errno(path);
  }
  return {};
}

}  // namespace pagefold::crash
