#include "pmap/uffd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace pagefold::pmap {
namespace {

// UFFDIO_CONTINUE_MODE_WP, which older headers lack.
constexpr std::uint64_t kContinueProtected = 1 << 1;

enum class Step { Done, Skip, Retry, Moot, Failed };

Step judge(int error) {
  switch (error) {
    case EAGAIN: return Step::Retry;
    case EEXIST: return Step::Skip;
    case ESRCH:
    case ENOENT: return Step::Moot;
    default: return Step::Failed;
  }
}

// Runs one of the filling ioctls over r until all of it is dealt with. `attempt(at, length, done)` issues the ioctl and
// stores how many bytes it installed. The ioctls refuse (ENOENT) a range that more than one host mapping holds, and where
// the host splits them is its own affair: such a range is filled page by page.
template <class Attempt>
Result<Filled> fill(VirtRange r, const char* what, Attempt&& attempt) {
  Filled filled;
  Bytes most = r.size();
  while (filled.reached < r.size()) {
    const VirtAddr at = r.start + filled.reached;
    std::int64_t done = 0;
    const int outcome = attempt(at, std::min(most, r.end - at), done);
    const int error = errno;
    if (done > 0) {
      filled.installed += static_cast<Bytes>(done);
      filled.reached += static_cast<Bytes>(done);
    }
    if (outcome == 0) continue;
    switch (judge(error)) {
      case Step::Skip: filled.reached += kPageSize; break;
      case Step::Moot:
        if (most == kPageSize) return filled;
        most = kPageSize;
        break;
      case Step::Failed: return fail(error, fmt::format("{} {:x}-{:x}", what, r.start, r.end));
      default: break;
    }
  }
  return filled;
}

}  // namespace

Result<Uffd> Uffd::adopt(UniqueFd fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("userfaultfd O_NONBLOCK");
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_THREAD_ID |
                 UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
                 UFFD_FEATURE_EVENT_REMAP;  // or what is moved would not be registered any more
  if (::ioctl(fd.get(), UFFDIO_API, &api) != 0) return fail_errno("userfaultfd handshake");
  return Uffd(std::move(fd));
}

Result<void> Uffd::register_range(VirtRange r, std::uint64_t mode) const {
  uffdio_register request{};
  request.range = {r.start, r.size()};
  request.mode = mode;
  if (::ioctl(fd_.get(), UFFDIO_REGISTER, &request) != 0 && errno != ESRCH && errno != ENOENT)
    return fail_errno(fmt::format("register {:x}-{:x} for faults", r.start, r.end));
  return {};
}

Result<void> Uffd::register_private(VirtRange r) const {
  return register_range(r, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP);
}

Result<void> Uffd::register_evictable(VirtRange r) const {
  return register_range(r, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR | UFFDIO_REGISTER_MODE_WP);
}

Result<void> Uffd::register_shared(VirtRange r) const {
  return register_range(r, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR);
}

Result<Filled> Uffd::zero(VirtRange r, Wake wake) const {
  return fill(r, "clear pages", [&](VirtAddr at, Bytes length, std::int64_t& done) {
    uffdio_zeropage request{};
    request.range = {at, length};
    request.mode = wake == Wake::Yes ? 0 : UFFDIO_ZEROPAGE_MODE_DONTWAKE;
    const int outcome = ::ioctl(fd_.get(), UFFDIO_ZEROPAGE, &request);
    done = request.zeropage;
    return outcome;
  });
}

Result<Filled> Uffd::copy(VirtRange r, const void* from, Guard guard, Wake wake) const {
  return fill(r, "copy pages", [&](VirtAddr at, Bytes length, std::int64_t& done) {
    uffdio_copy request{};
    request.dst = at;
    request.src = reinterpret_cast<std::uintptr_t>(from) + (at - r.start);
    request.len = length;
    request.mode = (guard == Guard::Yes ? UFFDIO_COPY_MODE_WP : 0) | (wake == Wake::Yes ? 0 : UFFDIO_COPY_MODE_DONTWAKE);
    const int outcome = ::ioctl(fd_.get(), UFFDIO_COPY, &request);
    done = request.copy;
    return outcome;
  });
}

Result<Filled> Uffd::map_present(VirtRange r, Wake wake, Guard guard) const {
  return fill(r, "map pages", [&](VirtAddr at, Bytes length, std::int64_t& done) {
    uffdio_continue request{};
    request.range = {at, length};
    request.mode = (guard == Guard::Yes ? kContinueProtected : 0) | (wake == Wake::Yes ? 0 : UFFDIO_CONTINUE_MODE_DONTWAKE);
    const int outcome = ::ioctl(fd_.get(), UFFDIO_CONTINUE, &request);
    done = request.mapped;
    return outcome;
  });
}

Result<void> Uffd::write_protect(VirtRange r) const {
  uffdio_writeprotect request{};
  request.range = {r.start, r.size()};
  request.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  while (::ioctl(fd_.get(), UFFDIO_WRITEPROTECT, &request) != 0) {
    if (errno == EAGAIN) continue;
    if (errno == ESRCH) break;
    return fail_errno(fmt::format("write-protect {:x}-{:x}", r.start, r.end));
  }
  return {};
}

Result<void> Uffd::allow_writes(VirtRange r, Wake wake) const {
  uffdio_writeprotect request{};
  request.range = {r.start, r.size()};
  request.mode = wake == Wake::Yes ? 0 : UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
  while (::ioctl(fd_.get(), UFFDIO_WRITEPROTECT, &request) != 0) {
    if (errno == EAGAIN) continue;
    if (errno == ESRCH || errno == ENOENT) break;
    return fail_errno(fmt::format("allow writes {:x}-{:x}", r.start, r.end));
  }
  return {};
}

bool Uffd::poison(VirtRange r) const {
#ifdef UFFDIO_POISON
  uffdio_poison request{};
  constexpr unsigned long kPoison = UFFDIO_POISON;
#else
  struct {
    uffdio_range range;
    __u64 mode;
    __s64 updated;
  } request{};
  constexpr unsigned long kPoison = _IOWR(UFFDIO, 0x08, request);
#endif
  request.range = {r.start, r.size()};
  bool cleared = false;
  while (::ioctl(fd_.get(), kPoison, &request) != 0) {
    if (errno == EAGAIN) continue;
    // A page that was write-protected when its frame went has left a mark, which the host does not write over.
    if (errno != EEXIST || std::exchange(cleared, true) || !allow_writes(r)) return false;
  }
  return true;
}

void Uffd::wake(VirtRange r) const {
  uffdio_range request{r.start, r.size()};
  (void)::ioctl(fd_.get(), UFFDIO_WAKE, &request);
}

Result<std::vector<uffd_msg>> Uffd::read() const {
  std::vector<uffd_msg> messages(16);
  const ssize_t n = ::read(fd_.get(), messages.data(), messages.size() * sizeof(uffd_msg));
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return std::vector<uffd_msg>{};
    return fail_errno("read of a userfaultfd");
  }
  messages.resize(static_cast<std::size_t>(n) / sizeof(uffd_msg));
  return messages;
}

}  // namespace pagefold::pmap
