// userfaultfd: Pagefold's page-fault events. It is opened without UFFD_USER_MODE_ONLY, since read(2) into an untouched page must fault
// to us as well. The features are judged by registering a memfd mapping, which is what frames are.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/page.h"
#include "host/probes.h"

namespace pagefold::host {
namespace {

constexpr const char* kDevice = "/dev/userfaultfd";
// Newer than the headers of Debian 12 (Linux 6.1).
constexpr std::uint64_t kFeaturePoison = 1u << 14;
constexpr std::uint64_t kFeatureWpAsync = 1u << 15;

Result<UniqueFd> open_from_device() {
  const UniqueFd device(::open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return fail_errno(std::string("open ") + kDevice);
  UniqueFd uffd(::ioctl(device.get(), USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK));
  if (!uffd) return fail_errno(kDevice);
  return uffd;
}

Result<UniqueFd> open_userfaultfd() {
  UniqueFd uffd(static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK)));
  if (uffd) return uffd;
  const int code = errno;
  if (Result<UniqueFd> from_device = open_from_device()) return from_device;
  return fail(code, "userfaultfd");
}

// The handshake happens once per descriptor; asking for nothing answers with everything the kernel has.
Result<std::uint64_t> known_features() {
  const UniqueFd uffd = PAGEFOLD_TRY(open_userfaultfd());
  uffdio_api api{};
  api.api = UFFD_API;
  if (::ioctl(uffd.get(), UFFDIO_API, &api) != 0) return fail_errno("UFFDIO_API");
  return api.features;
}

// Registers one page of a memfd and returns the operations that the kernel allows on it (bits of _UFFDIO_*).
Result<std::uint64_t> registered_operations(std::uint64_t features, std::uint64_t mode) {
  const UniqueFd uffd = PAGEFOLD_TRY(open_userfaultfd());
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = features;
  if (::ioctl(uffd.get(), UFFDIO_API, &api) != 0) return fail_errno("UFFDIO_API");

  const UniqueFd memory(::memfd_create("probe", MFD_CLOEXEC));
  if (!memory || ::ftruncate(memory.get(), kPageSize) != 0) return fail_errno("memfd_create");
  void* page = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (page == MAP_FAILED) return fail_errno("mmap of a memfd");
  uffdio_register request{};
  request.range = {reinterpret_cast<std::uintptr_t>(page), kPageSize};
  request.mode = mode;
  const int outcome = ::ioctl(uffd.get(), UFFDIO_REGISTER, &request);
  const int code = errno;
  ::munmap(page, kPageSize);
  if (outcome != 0) return fail(code, "UFFDIO_REGISTER");
  return request.ioctls;
}

bool can_register(std::uint64_t features, std::uint64_t mode, unsigned operation) {
  const Result<std::uint64_t> operations = registered_operations(features, mode);
  return operations && (*operations & (std::uint64_t{1} << operation)) != 0;
}

}  // namespace

Result<UserfaultfdProbe> probe_userfaultfd() {
  const std::uint64_t known = PAGEFOLD_TRY(known_features());
  const auto has = [known](std::uint64_t feature) { return (known & feature) == feature; };
  UserfaultfdProbe probe;
  probe.missing_shmem = has(UFFD_FEATURE_MISSING_SHMEM) &&
                        can_register(UFFD_FEATURE_MISSING_SHMEM, UFFDIO_REGISTER_MODE_MISSING, _UFFDIO_COPY);
  probe.minor_shmem = has(UFFD_FEATURE_MINOR_SHMEM) &&
                      can_register(UFFD_FEATURE_MINOR_SHMEM, UFFDIO_REGISTER_MODE_MINOR, _UFFDIO_CONTINUE);
  constexpr std::uint64_t kWriteProtect = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
  probe.write_protect = has(kWriteProtect) &&
                        can_register(kWriteProtect, UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
                                     _UFFDIO_WRITEPROTECT);
  probe.poison = has(kFeaturePoison);
  probe.wp_async = has(kFeatureWpAsync);
  return probe;
}

Result<void> probe_userfaultfd_device() {
  PAGEFOLD_TRY(open_from_device());
  return {};
}

}  // namespace pagefold::host
