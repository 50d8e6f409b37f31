// The host's page tables of one guest, worked through its userfaultfd (ioctl_userfaultfd(2)): a thin, typed wrapper.
// EAGAIN (the address space is changing) is retried, EEXIST (the page is there already) is skipped, ESRCH (the guest is
// gone) and ENOENT (a page is no longer mapped) end an operation quietly: the fault that asked for it is moot.
#pragma once

#include <linux/userfaultfd.h>

#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/page.h"

namespace pagefold::pmap {

// How far an operation came: the pages of [start, start + reached) are there now, `installed` bytes of them by its doing.
struct Filled {
  Bytes reached = 0, installed = 0;
};

class Uffd {
 public:
  enum class Guard : bool { No, Yes };  // map write-protected
  enum class Wake : bool { No, Yes };

  Uffd() = default;
  // Takes a fresh userfaultfd descriptor, makes it non-blocking and does the API handshake.
  static Result<Uffd> adopt(UniqueFd fd);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] explicit operator bool() const { return static_cast<bool>(fd_); }

  // Private memory reports missing pages and stores to write-protected ones; memory with other mappers (minor) also pages
  // that have a frame but are not mapped here.
  Result<void> register_private(VirtRange r) const;
  Result<void> register_shared(VirtRange r) const;
  // Memory whose pages may be evicted reports all of these.
  Result<void> register_evictable(VirtRange r) const;

  // Maps cleared frames. Only what was installed is woken: a caller whose page was there already must wake it.
  Result<Filled> zero(VirtRange r, Wake wake) const;
  // Maps frames filled with the bytes at from.
  Result<Filled> copy(VirtRange r, const void* from, Guard guard, Wake wake) const;
  // Maps the frames that the store already holds.
  // With Guard::Yes (Linux 6.4), write-protected where registered as tracked.
  Result<Filled> map_present(VirtRange r, Wake wake, Guard guard = Guard::No) const;
  Result<void> write_protect(VirtRange r) const;
  Result<void> allow_writes(VirtRange r, Wake wake = Wake::Yes) const;
  // Accesses to r raise SIGBUS from now on (Linux 6.6); false when the kernel cannot.
  [[nodiscard]] bool poison(VirtRange r) const;
  void wake(VirtRange r) const;

  // Reads pending messages without blocking; empty when there are none.
  Result<std::vector<uffd_msg>> read() const;

 private:
  explicit Uffd(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<void> register_range(VirtRange r, std::uint64_t mode) const;

  UniqueFd fd_;
};

}  // namespace pagefold::pmap
