#include "kernel/memory/map_request.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <limits>

#include "frame/shared_object.h"
#include "kernel/calls.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"
#include "kernel/pressure/pressure.h"

namespace pagefold::kernel {
namespace {

// Flags that MAP_SHARED_VALIDATE accepts (LEGACY_MAP_MASK and MAP_SYNC is not among them).
constexpr std::uint64_t kKnownFlags = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |
                                      MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
                                      MAP_HUGETLB | MAP_FIXED_NOREPLACE | 0x4000000 /* MAP_UNINITIALIZED */;
// mm/mmap.c, file_mmap_ok.
bool beyond_any_file(int fd, const MapRequest& m) {
  constexpr auto kLargest = static_cast<Bytes>(std::numeric_limits<off_t>::max());
  struct stat status {};
  return m.length > kLargest || (m.offset > kLargest - m.length && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode));
}

Result<void> try_map(int fd, std::uint64_t flags) {
  void* at = ::mmap(nullptr, kPageSize, PROT_READ, static_cast<int>(flags & ~std::uint64_t{MAP_FIXED | MAP_POPULATE | MAP_LOCKED}), fd, 0);
  if (at == MAP_FAILED) return fail(errno);
  ::munmap(at, kPageSize);
  return {};
}

Result<Backing> file_backing(const Call& call, const MapRequest& m, UniqueFd file) {
  Backing backing;
  backing.fd = std::move(file);
  const int mode = ::fcntl(backing.fd.get(), F_GETFL);
  if ((mode & O_PATH) != 0) return fail(EBADF);
  if (beyond_any_file(backing.fd.get(), m)) return fail(EOVERFLOW);
  const bool readable = (mode & O_ACCMODE) != O_WRONLY, writable = (mode & O_ACCMODE) != O_RDONLY;
  if (m.type() != MAP_PRIVATE && m.type() != MAP_SHARED && m.type() != MAP_SHARED_VALIDATE) return fail(EINVAL);
  if (m.type() == MAP_SHARED_VALIDATE && (m.flags & ~kKnownFlags & ~std::uint64_t{MAP_TYPE}) != 0) return fail(EOPNOTSUPP);
  if (m.shared() && (m.prot & PROT_WRITE) != 0 && !writable) return fail(EACCES);
  if (!readable) return fail(EACCES);
  if (m.shared() && !writable) backing.may = vm::kRead | vm::kExec;
  struct statvfs fs {};
  if (::fstatvfs(backing.fd.get(), &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0) {
    if ((m.prot & PROT_EXEC) != 0) return fail(EPERM);
    backing.may &= static_cast<vm::Prot>(~vm::kExec);
  }
  if ((m.flags & MAP_GROWSDOWN) != 0) return fail(EINVAL);
  // Whether a file can be mapped like this depends on its file system (private mappings only; others have dropped the flag).
  if (m.type() == MAP_PRIVATE && (m.flags & MAP_SYNC) != 0) PAGEFOLD_CHECK(try_map(backing.fd.get(), m.flags));
  std::array<char, PATH_MAX> name{};
  const auto link = fmt::format("/proc/self/fd/{}", backing.fd.get());
  if (::readlink(link.c_str(), name.data(), name.size() - 1) < 0) return fail_errno("name of a mapped file");
  backing.object = PAGEFOLD_TRY(call.supervisor.files().lookup(backing.fd.get(), name.data()));
  if (const auto full = std::dynamic_pointer_cast<cache::FullFile>(backing.object)) {
    call.supervisor.own_files()->refresh(*full);
    if (full->name() != name.data()) backing.opened_as = std::make_shared<const UniqueFd>(::open(link.c_str(), O_PATH | O_CLOEXEC));
    if (writable)  // private mappings keep the file busy, too
      backing.hold = PAGEFOLD_TRY(call.supervisor.own_files()->hold(full, std::move(backing.fd), static_cast<pid_t>(call.notification.pid)));
  }
  return backing;
}

Result<Backing> anonymous_backing(const Call& call, const MapRequest& m) {
  Backing backing;
  if (m.type() == MAP_PRIVATE) return backing;
  if (m.type() != MAP_SHARED || (m.flags & MAP_GROWSDOWN) != 0) return fail(EINVAL);
  const auto shared = PAGEFOLD_TRY(frame::SharedObject::create(m.length));
  if (Pressure* limit = pressure()) limit->adopt(call.supervisor, shared);
  backing.object = vm::ObjectRef(shared.get(), [shared](vm::Object*) {  // its frames go with it
    stats().frames(-static_cast<std::int64_t>(bytes_of(shared->resident.count())));
  });
  return backing;
}

}  // namespace

Result<Backing> backing_of(const Call& call, const MapRequest& m, UniqueFd file) {
  return m.anonymous() ? anonymous_backing(call, m) : file_backing(call, m, std::move(file));
}

Result<void> check_limits(const Space& space, const MapRequest& m, VirtRange r) {
  Bytes replaced = 0;
  space.map.visit(r, [&](const vm::Vma& v) { replaced += v.range.intersect(r).size(); });
  if (exceeds_limit(space, RLIMIT_AS, space.map.mapped() - replaced + m.length)) return fail(ENOMEM);
  const bool data = !m.shared() && (m.prot & PROT_WRITE) != 0 && (m.flags & MAP_GROWSDOWN) == 0;
  if (data && exceeds_data_limit(space, m.length, r)) return fail(ENOMEM);
  return {};
}

// mm/mmap.c, mlock_future_ok.
Result<void> check_lock(const Space& space, const MapRequest& m) {
  const bool asked = (m.flags & MAP_LOCKED) != 0;
  if (asked && !may_lock_at_all(space)) return fail(EPERM);
  if ((asked || space.lock_future) && !may_lock(space, locked_bytes(space, {0, kUserTop}) + m.length)) return fail(EAGAIN);
  return {};
}

}  // namespace pagefold::kernel
