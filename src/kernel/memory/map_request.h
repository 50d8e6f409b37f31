// What an mmap asks for: its arguments, what will back the mapping, and whether the process's limits allow it.
//
// Order of checks and errnos: mm/mmap.c (do_mmap); mmap(2).
#pragma once

#include <sys/mman.h>

#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "kernel/call.h"
#include "vm/vma.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace pagefold::kernel {

inline constexpr std::uint64_t kProtMask = PROT_READ | PROT_WRITE | PROT_EXEC;

struct MapRequest {
  VirtAddr address;
  Bytes length;
  std::uint64_t prot, flags;
  int fd;
  Bytes offset;

  [[nodiscard]] bool fixed() const { return (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0; }
  [[nodiscard]] bool anonymous() const { return (flags & MAP_ANONYMOUS) != 0; }
  [[nodiscard]] std::uint64_t type() const { return flags & MAP_TYPE; }
  [[nodiscard]] bool shared() const { return type() != MAP_PRIVATE; }
};

// What a mapping shows: a file, memory shared between processes, or (no object) memory of the process's own.
struct Backing {
  vm::ObjectRef object;
  std::shared_ptr<const void> hold;
  std::shared_ptr<const UniqueFd> opened_as;
  UniqueFd fd;
  vm::Prot may = vm::kRead | vm::kWrite | vm::kExec;
};

// Makes sure that it can be mapped as asked: EACCES, EBADF, EINVAL, EOVERFLOW, EPERM and what the file's own mmap says.
// file: the guest's descriptor m.fd as our own (borrow), unless the mapping is anonymous.
Result<Backing> backing_of(const Call& call, const MapRequest& m, UniqueFd file);

// RLIMIT_AS and RLIMIT_DATA: ENOMEM. What lies in r will be replaced and does not count. Space::mutex held.
Result<void> check_limits(const Space& space, const MapRequest& m, VirtRange r);
// RLIMIT_MEMLOCK, for a mapping that will be locked: EPERM, EAGAIN. Space::mutex held.
Result<void> check_lock(const Space& space, const MapRequest& m);

}  // namespace pagefold::kernel
