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
// The same of parts that were found elsewhere.
Result<Buffers> checked(std::vector<iovec> parts, Bytes most = kMostAtOnce);
Result<std::vector<iovec>> read_parts(Space& space, VirtAddr at, std::int64_t count);

// What a step of a write is made of: the buffers' bytes in this thread's memory, valid until its next stage().
struct Staged {
  std::vector<iovec> parts;
  Bytes there = 0;  // so many could be read; the parts behind them lie where nothing can be read
};

// Packed: as few parts as possible. AsInGuest: as many parts as the guest has, each aligned in its page as the guest's,
// which O_DIRECT cares about.
enum class Layout : bool { Packed, AsInGuest };

// Copies [from, from + length) of the buffers, as far as they can be read.
Staged stage(Space& space, const Buffers& buffers, Bytes from, Bytes length, Layout layout);

// Whether the byte at `from` can be read.
bool can_read(Space& space, const Buffers& buffers, Bytes from);

// Memory of this thread for what is to be read into [from, from + length) of the buffers: as many parts, each aligned in its page
// as the guest's. Valid until the next room_like() or stage().
std::vector<iovec> room_like(const Buffers& buffers, Bytes from, Bytes length);

// Copies the first `length` bytes of what room_like() gave for `from` to the guest. EFAULT: not all of them can be written.
// ENOMEM: there is no room for them.
Result<void> hand_over(Space& space, const Buffers& buffers, Bytes from, const std::vector<iovec>& room, Bytes length);

}  // namespace pagefold::kernel
