// Calls that read a file when files are fully owned: what guests have stored in the pages
// they speak of is written back first; then the host carries the call out, with its own offsets, locks, waiting and
// errnos. As long as nothing is dirty anywhere this costs one look. (Direct reads: read_for_guest.h.)

#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/files/file_calls.h"
#include "kernel/files/read_for_guest.h"

namespace pagefold::kernel {
namespace {

// What a read asks for; only as exact as is cheap: a vector may be of any length.
struct Span {
  Bytes offset = 0, length = OwnFiles::kAll;
};

Span span_of(const Call& call, const GuestFile& file) {
  const auto here = static_cast<Bytes>(std::max<off_t>(0, ::lseek(file.fd.get(), 0, SEEK_CUR)));
  switch (call.notification.data.nr) {
    case SYS_read:
      return {here, call.argument(2)};
    case SYS_pread64:
      return {call.argument(3), call.argument(2)};
    case SYS_readv:
      return {here};
    case SYS_preadv:
    case SYS_preadv2:
      return {static_cast<std::int64_t>(call.argument(3)) == -1 ? here : call.argument(3)};
    default:
      return {};
  }
}

bool anything_dirty() { return cache::FullFile::dirty_files() > 0; }

}  // namespace

void on_file_read(const Call& call) {
  if (anything_dirty()) {
    const auto file = guest_file(call, static_cast<int>(call.argument(0)));
    if (file && file->full && file->readable()) {
      const Span span = span_of(call, *file);
      // A page that cannot be written back stays in its frame; the reader would see older bytes than a mapping does.
      const auto done = call.supervisor.own_files()->write_back(*file->full, page_of(span.offset),
                                                                page_behind(span.offset, span.length));
      if (!done) return call.fail(done.error().code);
    }
  }
  if (!read_directly(call)) call.proceed();
}

// A page stored into a hole is data.
void on_hole_seek(const Call& call) {
  if (anything_dirty()) {
    const auto file = guest_file(call, static_cast<int>(call.argument(0)));
    if (file && file->full) (void)call.supervisor.own_files()->write_back(*file->full);
  }
  call.proceed();
}

}  // namespace pagefold::kernel
