// See result_file.h.
#include "cli/result_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <system_error>

namespace pagefold::cli {
namespace {

constexpr mode_t kPermissionBits = 07777;

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(errno);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

std::optional<struct stat> status_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

}  // namespace

Result<ResultFile> ResultFile::prepare(const std::string& path) {
  ResultFile file(path);
  if (path == "-") {
    file.direct_ = UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    return file.direct_ ? Result<ResultFile>(std::move(file)) : fail_errno("standard output");
  }
  const auto status = status_of(path);
  if (status && S_ISDIR(status->st_mode)) return fail(EISDIR, path);
  if (status && !S_ISREG(status->st_mode)) {
    file.direct_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return file.direct_ ? Result<ResultFile>(std::move(file)) : fail_errno(path);
  }
  if (path.empty() || path.ends_with('/')) return fail(path.empty() ? ENOENT : EISDIR, path);
  std::error_code error;
  const auto target = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  if (error) return fail(error.value(), path);
  file.target_ = target.string();
  file.temporary_ = file.target_ + ".pagefold-" + std::to_string(::getpid());
  const UniqueFd trial = PAGEFOLD_TRY(file.create_beside());
  ::unlink(file.temporary_.c_str());
  return file;
}

Result<void> ResultFile::write(std::string_view text) {
  Result<void> written = direct_ ? write_all(direct_.get(), text) : replace(text);
  if (!written) return fail(written.error().code, shown_);
  return {};
}

Result<UniqueFd> ResultFile::create_beside() const {
  constexpr mode_t kAsUmaskAllows = 0666;
  UniqueFd fd(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kAsUmaskAllows));
  if (!fd) return fail(errno, shown_);
  return fd;
}

Result<void> ResultFile::replace(std::string_view text) {
  const UniqueFd fd = PAGEFOLD_TRY(create_beside());
  if (const auto replaced = status_of(target_)) ::fchmod(fd.get(), replaced->st_mode & kPermissionBits);
  Result<void> written = write_all(fd.get(), text);
  if (written && ::rename(temporary_.c_str(), target_.c_str()) != 0) written = fail(errno);
  if (!written) ::unlink(temporary_.c_str());
  return written;
}

}  // namespace pagefold::cli
