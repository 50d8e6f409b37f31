// Files: leases (who has a file open for writing?) and memfds (the frames).
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/page.h"
#include "host/probes.h"

namespace pagefold::host {
namespace {

// memfds may be refused execution by vm.memfd_noexec (6.3); the flag asks for it, older kernels do not know it.
constexpr unsigned kMemfdExec = 0x10;

UniqueFd create_memfd() {
  UniqueFd fd(::memfd_create("probe", MFD_CLOEXEC | kMemfdExec));
  return fd || errno != EINVAL ? std::move(fd) : UniqueFd(::memfd_create("probe", MFD_CLOEXEC));
}

Result<void> try_lease(int fd) {
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return fail_errno("F_SETLEASE");
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return {};
}

}  // namespace

Result<void> probe_lease() {
  const char* folder = ::getenv("TMPDIR");
  std::string path = std::string(folder != nullptr && *folder != '\0' ? folder : "/tmp") + "/pagefold-probe-XXXXXX";
  UniqueFd writer(::mkostemp(path.data(), O_CLOEXEC));
  if (!writer) return fail_errno(path);
  writer.reset();
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ::unlink(path.c_str());
  if (!reader) return fail_errno(path);
  return try_lease(reader.get());
}

Result<void> probe_foreign_lease() {
  constexpr const char* kRootsFile = "/etc/passwd";
  const UniqueFd fd(::open(kRootsFile, O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(kRootsFile);
  Result<void> outcome = try_lease(fd.get());
  // EAGAIN: somebody writes to it now. The privilege was there.
  if (!outcome && outcome.error().code == EAGAIN) return {};
  return outcome;
}

Result<void> probe_memfd() {
  const UniqueFd fd = create_memfd();
  constexpr Bytes kSparse = Bytes{1} << 46;
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(kSparse)) != 0) return fail_errno("memfd_create");
  void* page = ::mmap(nullptr, kPageSize, PROT_READ | PROT_EXEC, MAP_SHARED, fd.get(), 0);
  if (page == MAP_FAILED) return fail_errno("executable mapping of a memfd");
  ::munmap(page, kPageSize);
  if (::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPageSize) != 0) {
    return fail_errno("punching a hole in a memfd");
  }
  return {};
}

}  // namespace pagefold::host
