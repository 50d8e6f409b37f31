// write(2) and its relatives on a fully owned file. The supervisor makes them itself, through the guest's own open file
// description, so that offset, O_APPEND, O_DIRECT, quota and every errno are the host's; then the frames follow.
// Meanwhile no frame of the file can be filled (Changing), so that no mapping ever shows older bytes than a read does.

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"

namespace pagefold::kernel {
namespace {

struct Write {
  bool positional = false;
  off_t offset = 0;
  int flags = 0;  // of pwritev2
};

Write shape_of(const Call& call) {
  const auto at = static_cast<off_t>(call.argument(3));
  switch (call.notification.data.nr) {
    case SYS_pwrite64:
    case SYS_pwritev:
      return {true, at, 0};
    case SYS_pwritev2:
      return {at != -1, at, static_cast<int>(call.argument(5))};
    default:
      return {};
  }
}

// The first `length` bytes of the parts.
std::vector<iovec> cut(const std::vector<iovec>& parts, Bytes length) {
  std::vector<iovec> some;
  for (iovec part : parts) {
    part.iov_len = std::min(part.iov_len, length);
    if (part.iov_len > 0) some.push_back(part);
    length -= part.iov_len;
  }
  return some;
}

// The file has been given the first `length` bytes of the parts at `start`: its frames follow.
PageIndex follow(cache::FullFile& full, Bytes start, const std::vector<iovec>& parts, Bytes length) {
  PageIndex gone = 0;
  for (const iovec& part : cut(parts, length)) {
    gone += full.wrote(start, part.iov_base, part.iov_len);
    start += part.iov_len;
  }
  return gone;
}

// Writes what is staged, `done` bytes after the beginning of the call's.
Result<Bytes> write_step(const Call& call, GuestFile& file, const Write& write, Bytes done, const Staged& staged,
                         Bytes length) {
  const Changing changing(call, file);
  const bool append = appends(file, write.flags);
  const off_t at = write.positional ? write.offset + static_cast<off_t>(done) : -1;
  const Bytes before =
      append ? size_of(file) : static_cast<Bytes>(write.positional ? at : ::lseek(file.fd.get(), 0, SEEK_CUR));
  length = PAGEFOLD_TRY(within_limit(call, before, length));
  const std::vector<iovec> parts = cut(staged.parts, length);
  const ssize_t n = ::pwritev2(file.fd.get(), parts.data(), static_cast<int>(parts.size()), at, write.flags);
  const int error = errno;
  if (n < 0 && changing.full() != nullptr && changing.full()->may_be_outdated())  // it may have grown all the same
    changing.note(0, OwnFiles::kAll, [](cache::FullFile& full) { return full.resize(); });
  if (n < 0) return fail(error);
  const auto written = static_cast<Bytes>(n);
  // Where it went: the guest's offset can have been moved meanwhile, the end of the file can not.
  const Bytes start = append ? size_of(file) - written : before;
  if (changing.full() != nullptr && n > 0)
    changing.note(page_of(start), page_behind(start, written),
                  [&](cache::FullFile& full) { return follow(full, start, parts, written); });
  return written;
}

Result<Bytes> write_all(const Call& call, GuestFile& file, const Buffers& buffers, const Write& write) {
  const Layout layout = (file.flags & O_DIRECT) != 0 ? Layout::AsInGuest : Layout::Packed;
  Bytes done = 0;
  while (done < buffers.size) {
    const Bytes wish = std::min(buffers.size - done, kStep);
    const Staged staged = stage(call.space(), buffers, done, wish, layout);
    const auto written = write_step(call, file, write, done, staged, wish);
    if (written) done += *written;
    // Memory that could not be read may be there now: it may be a mapping of the very file, which has just grown.
    if (staged.there < wish &&
        (written ? *written == staged.there : staged.there == 0 && written.error().code == EFAULT) &&
        can_read(call.space(), buffers, done))
      continue;
    if (!written) return done > 0 ? Result<Bytes>(done) : written;
    if (*written < wish) break;
  }
  return done;
}

}  // namespace

void on_file_write(const Call& call) {
  Result<Bytes> done = 0;
  {
    auto file = guest_file(call, static_cast<int>(call.argument(0)));
    if (!file || !file->writable()) return call.proceed();
    const Write write = shape_of(call);
    if (write.positional && write.offset < 0) return call.fail(EINVAL);
    const auto buffers = buffers_of(call);
    if (!buffers) return call.fail(buffers.error().code);
    if (buffers->size == 0) {
      file.reset();
      return call.proceed();
    }
    done = write_all(call, *file, *buffers, write);
  }
  done ? call.reply(static_cast<std::int64_t>(*done)) : call.fail(done.error().code);
}

}  // namespace pagefold::kernel
