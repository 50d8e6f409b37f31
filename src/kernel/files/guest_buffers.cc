#include "kernel/files/guest_buffers.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <memory>

#include "kernel/memory/guest_memory.h"
#include "kernel/pressure/pressure.h"

namespace pagefold::kernel {
namespace {

// Frames are asked for for so much of the guest's memory at a time.
constexpr Bytes kFramesAtOnce = 64 * kPageSize;

}  // namespace

Result<Buffers> buffers_of(const Call& call) {
  const auto number = call.notification.data.nr;
  const Bytes most = std::min(kMostAtOnce, call.most);
  if (number == SYS_write || number == SYS_pwrite64 || number == SYS_read || number == SYS_pread64)
    return checked({{reinterpret_cast<void*>(call.argument(1)), call.argument(2)}}, most);
  return checked(PAGEFOLD_TRY(read_parts(call.space(), call.argument(1), static_cast<int>(call.argument(2)))), most);
}

Result<std::vector<iovec>> read_parts(Space& space, VirtAddr at, std::int64_t count) {
  if (count < 0 || count > IOV_MAX) return fail(EINVAL);
  std::vector<iovec> parts(static_cast<std::size_t>(count));
  PAGEFOLD_CHECK(read_guest(space, at, parts.data(), parts.size() * sizeof(iovec)));
  return parts;
}

Result<Buffers> checked(std::vector<iovec> parts, Bytes most) {
  Buffers all{std::move(parts)};
  for (iovec& part : all.parts) {
    if (static_cast<std::int64_t>(part.iov_len) < 0) return fail(EINVAL);
    const auto start = reinterpret_cast<VirtAddr>(part.iov_base);
    if (start > kUserTop || part.iov_len > kUserTop - start) return fail(EFAULT);
    part.iov_len = std::min(part.iov_len, most - all.size);
    all.size += part.iov_len;
  }
  return all;
}

namespace {

// Calls piece(address, length) for the parts of [from, from + length) of the buffers, as long as it returns true.
template <class Piece>
void each_part(const Buffers& buffers, Bytes from, Bytes length, Piece&& piece) {
  for (const iovec& part : buffers.parts) {
    if (from >= part.iov_len) {
      from -= part.iov_len;
      continue;
    }
    const Bytes n = std::min(part.iov_len - from, length);
    if (n == 0 || !piece(reinterpret_cast<VirtAddr>(part.iov_base) + from, n)) return;
    length -= n;
    from = 0;
  }
}

// Page by page, as far as it goes.
Bytes copy_from_guest(Space& space, VirtAddr at, Bytes length, std::byte* to) {
  Bytes done = 0;
  while (done < length) {
    const Bytes n = std::min(length - done, kPageSize - ((at + done) & kPageMask));
    if (!read_guest(space, at + done, to + done, n)) break;
    done += n;
  }
  return done;
}

std::byte* memory(Bytes size) {
  thread_local std::unique_ptr<std::byte[]> memory;
  thread_local Bytes capacity = 0;
  if (capacity < size + kPageSize) {
    capacity = size + kPageSize;
    memory = std::make_unique_for_overwrite<std::byte[]>(capacity);
  }
  return reinterpret_cast<std::byte*>(page_up(reinterpret_cast<VirtAddr>(memory.get())));
}

// Addresses that cannot be read, for what the guest's memory does not have: the host then ends the call there in its
// own way.
std::byte* unreadable() {
  static void* const pages =
      ::mmap(nullptr, kMostAtOnce + 2 * kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return static_cast<std::byte*>(pages);
}

// How much memory the parts take, each on pages of its own.
Bytes room_for(const Buffers& buffers, Bytes from, Bytes length) {
  Bytes room = 0;
  each_part(buffers, from, length, [&](VirtAddr at, Bytes n) {
    room += page_up((at & kPageMask) + n);
    return true;
  });
  return room;
}

}  // namespace

Staged stage(Space& space, const Buffers& buffers, Bytes from, Bytes length, Layout layout) {
  Staged staged;
  const bool packed = layout == Layout::Packed;
  std::byte* to = memory(packed ? length : room_for(buffers, from, length));
  std::byte* const start = to;
  bool ended = false;  // what follows a byte that cannot be read does not matter, but for its length and alignment
  each_part(buffers, from, length, [&](VirtAddr at, Bytes n) {
    std::byte* const place = packed ? to : to + (at & kPageMask);
    const Bytes there = ended ? 0 : copy_from_guest(space, at, n, place);
    staged.there += there;
    if (!packed && there > 0) staged.parts.push_back({place, there});
    if (there < n) staged.parts.push_back({unreadable() + ((at + there) & kPageMask), n - there});
    to = packed ? to + there : to + page_up((at & kPageMask) + n);
    ended = ended || there < n;
    return !(packed && ended);
  });
  if (packed && staged.there > 0) staged.parts.insert(staged.parts.begin(), {start, staged.there});
  return staged;
}

bool can_read(Space& space, const Buffers& buffers, Bytes from) {
  std::byte byte{};
  bool can = false;
  each_part(buffers, from, 1, [&](VirtAddr at, Bytes) { return can = copy_from_guest(space, at, 1, &byte) == 1; });
  return can;
}

std::vector<iovec> room_like(const Buffers& buffers, Bytes from, Bytes length) {
  std::vector<iovec> room;
  std::byte* to = memory(room_for(buffers, from, length));
  each_part(buffers, from, length, [&](VirtAddr at, Bytes n) {
    room.push_back({to + (at & kPageMask), n});
    to += page_up((at & kPageMask) + n);
    return true;
  });
  return room;
}

Result<void> hand_over(Space& space, const Buffers& buffers, Bytes from, const std::vector<iovec>& room, Bytes length) {
  Result<void> done;
  auto part = room.begin();
  each_part(buffers, from, length, [&](VirtAddr at, Bytes n) {
    const auto* bytes = static_cast<const std::byte*>((part++)->iov_base);
    for (Bytes step = 0; n > 0 && done; at += step, bytes += step, n -= step) {
      step = std::min(n, kFramesAtOnce);
      Room frames;  // pages that find none go to the swap one by one
      done = frames.ask(1, page_of(step) + 2, reclaim::Patience::Wait);
      if (done) done = write_guest(space, at, bytes, step);
    }
    return done.has_value();
  });
  return done;
}

}  // namespace pagefold::kernel
