#include "kernel/files/guest_buffers.h"

#include <limits.h>
#include <sys/syscall.h>

#include <algorithm>
#include <memory>

#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {
Result<Buffers> buffers_of(const Call& call) {
  const auto number = call.notification.data.nr;
  Buffers all;
  if (number == SYS_write || number == SYS_pwrite64 || number == SYS_read || number == SYS_pread64) {
    all.parts.push_back({reinterpret_cast<void*>(call.argument(1)), call.argument(2)});
  } else {
    const auto count = static_cast<int>(call.argument(2));
    if (count < 0 || count > IOV_MAX) return fail(EINVAL);
    all.parts.resize(static_cast<std::size_t>(count));
    PAGEFOLD_CHECK(read_guest(call.space(), call.argument(1), all.parts.data(), all.parts.size() * sizeof(iovec)));
  }
  const Bytes most = std::min(kMostAtOnce, call.most);
  for (iovec& part : all.parts) {
    if (static_cast<std::int64_t>(part.iov_len) < 0) return fail(EINVAL);
    const auto start = reinterpret_cast<VirtAddr>(part.iov_base);
    if (start > kUserTop || part.iov_len > kUserTop - start) return fail(EFAULT);
    part.iov_len = std::min(part.iov_len, most - all.size);
    all.size += part.iov_len;
  }
  return all;
}

Bytes gather(Space& space, const Buffers& buffers, Bytes from, Bytes length, std::byte* to) {
  Bytes done = 0;
  for (const iovec& part : buffers.parts) {
    if (from >= part.iov_len) {
      from -= part.iov_len;
      continue;
    }
    auto at = reinterpret_cast<VirtAddr>(part.iov_base) + from;
    for (Bytes left = std::min(part.iov_len - from, length - done); left > 0;) {
      const Bytes n = std::min(left, kPageSize - (at & kPageMask));
      if (!read_guest(space, at, to + done, n)) return done;
      done += n, at += n, left -= n;
    }
    from = 0;
    if (done == length) break;
  }
  return done;
}

Result<void> scatter(Space& space, const Buffers& buffers, Bytes from, const std::byte* bytes, Bytes length) {
  for (const iovec& part : buffers.parts) {
    if (from >= part.iov_len) {
      from -= part.iov_len;
      continue;
    }
    const Bytes n = std::min(part.iov_len - from, length);
    PAGEFOLD_CHECK(write_guest(space, reinterpret_cast<VirtAddr>(part.iov_base) + from, bytes, n));
    bytes += n, length -= n, from = 0;
  }
  return {};
}

std::byte* staging(Bytes size, VirtAddr like) {
  thread_local std::unique_ptr<std::byte[]> memory;
  thread_local Bytes capacity = 0;
  if (capacity < size + 2 * kPageSize) {
    capacity = size + 2 * kPageSize;
    memory = std::make_unique_for_overwrite<std::byte[]>(capacity);
  }
  auto* const page = reinterpret_cast<std::byte*>(page_up(reinterpret_cast<VirtAddr>(memory.get())));
  return page + (like & kPageMask);
}

}  // namespace pagefold::kernel
