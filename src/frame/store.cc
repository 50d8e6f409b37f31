#include "frame/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pagefold::frame {

Result<std::shared_ptr<Store>> Store::create(const char* name, Bytes size) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_errno("ftruncate of a frame store");
  return std::make_shared<Store>(std::move(fd), size);
}

Result<void> Store::resize(Bytes size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return fail_errno("resize a frame store");
  size_ = size;
  return {};
}

Result<UniqueFd> Store::open_read_only() const {
  UniqueFd fd(::open(fmt::format("/proc/self/fd/{}", fd_.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open a frame store for reading");
  return fd;
}

Result<void> Store::read(Bytes offset, void* to, Bytes length) const {
  auto* at = static_cast<char*>(to);
  while (length > 0) {
    const ssize_t n = ::pread(fd_.get(), at, length, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read a frame");
    if (n == 0) return fail(EIO, "read a frame beyond its store");
    at += n;
    offset += static_cast<Bytes>(n);
    length -= static_cast<Bytes>(n);
  }
  return {};
}

Result<void> Store::write(Bytes offset, const void* from, Bytes length) {
  const auto* at = static_cast<const char*>(from);
  while (length > 0) {
    const ssize_t n = ::pwrite(fd_.get(), at, length, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write a frame");
    at += n;
    offset += static_cast<Bytes>(n);
    length -= static_cast<Bytes>(n);
  }
  return {};
}

Result<void> Store::release(Bytes offset, Bytes length) {
  if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                  static_cast<off_t>(length)) != 0)
    return fail_errno("release frames");
  return {};
}

Bytes Store::resident() const {
  struct stat status {};
  return ::fstat(fd_.get(), &status) == 0 ? static_cast<Bytes>(status.st_blocks) * 512 : 0;
}

}  // namespace pagefold::frame
