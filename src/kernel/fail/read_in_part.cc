// Reads that are to end early (failures on demand). The guest's call cannot be changed, so the supervisor makes it, through the
// guest's own open file description; memory is written as the host would.

#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>

#include "kernel/fail/failures.h"
#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"

namespace pagefold::kernel {
namespace {

struct Source {
  off_t offset = -1;  // -1: the file's own
  int flags = 0;
};

Source source_of(const Call& call) {
  const auto at = static_cast<off_t>(call.argument(3));
  switch (call.notification.data.nr) {
    case SYS_pread64:
    case SYS_preadv: return {at, 0};
    case SYS_preadv2: return {at, static_cast<int>(call.argument(5))};
    default: return {};
  }
}

Result<Bytes> read_steps(const Call& call, const GuestFile& file, const Buffers& buffers, const Source& source) {
  Bytes done = 0;
  while (done < buffers.size) {
    const Bytes wish = std::min(buffers.size - done, kStep);
    const auto first = buffers.parts.empty() ? 0 : reinterpret_cast<VirtAddr>(buffers.parts.front().iov_base);
    std::byte* const bytes = staging(wish, first);
    const iovec part{bytes, wish};
    const off_t at = source.offset < 0 ? -1 : source.offset + static_cast<off_t>(done);
    const ssize_t n = ::preadv2(file.fd.get(), &part, 1, at, source.flags);
    if (n < 0) return done > 0 ? Result<Bytes>(done) : fail(errno);
    if (!scatter(call.space(), buffers, done, bytes, static_cast<Bytes>(n))) return done > 0 ? Result<Bytes>(done) : fail(EFAULT);
    done += static_cast<Bytes>(n);
    if (static_cast<Bytes>(n) < wish) break;
  }
  return done;
}

}  // namespace

void read_in_part(const Call& call) {
  Result<Bytes> done = 0;
  {
    const auto file = guest_file(call, static_cast<int>(call.argument(0)));
    const Source source = source_of(call);
    const auto buffers = buffers_of(call);
    if (!file || !file->readable()) return call.proceed();
    if (!buffers) return call.fail(buffers.error().code);
    call.supervisor.about_to_wait();
    if (file->full)
      if (const auto clean = call.supervisor.own_files()->write_back(*file->full); !clean) return call.fail(clean.error().code);
    done = read_steps(call, *file, *buffers, source);
  }
  done ? call.reply(static_cast<std::int64_t>(*done)) : call.fail(done.error().code);
}

}  // namespace pagefold::kernel
