// The buffers that a guest's call names, checked as the kernel does. What it wants to write is copied out of its memory, because
// they may lie in a mapping of the very file that is about to change.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "kernel/call.h"

namespace pagefold::kernel {

// The most that one call transfers (MAX_RW_COUNT), and what the supervisor makes of it in one step.
constexpr Bytes kMostAtOnce = 0x7ffff000, kStep = Bytes{8} << 20;

struct Buffers {
  std::vector<iovec> parts;
  Bytes size = 0;
};

// Of read, write and their relatives with offsets and vectors. As import_iovec(): EINVAL for lengths that make no sense, EFAULT
// for addresses beyond user space, and no more than one call may transfer (Call::most).
Result<Buffers> buffers_of(const Call& call);

// Copies [from, from + length) of the buffers, as far as they can be read; returns how many bytes that was.
Bytes gather(Space& space, const Buffers& buffers, Bytes from, Bytes length, std::byte* to);

// Copies to [from, from + length) of the buffers. EFAULT: not all of them can be written.
Result<void> scatter(Space& space, const Buffers& buffers, Bytes from, const std::byte* bytes, Bytes length);

// Memory of this thread for `size` bytes, aligned as the guest's first buffer is: O_DIRECT cares.
std::byte* staging(Bytes size, VirtAddr like);

}  // namespace pagefold::kernel
