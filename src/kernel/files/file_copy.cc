// sendfile, splice and copy_file_range from or to a fully owned file: what is dirty is written back first, the host
// copies, and the frames of the pages hit are dropped and read again.

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"
#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {

CopyCall copy_call(const Call& call) {
  if (call.notification.data.nr == SYS_sendfile)
    return {static_cast<int>(call.argument(1)), static_cast<int>(call.argument(0)), call.argument(2), 0, call.argument(3), 0};
  return {static_cast<int>(call.argument(0)), static_cast<int>(call.argument(2)), call.argument(1),
          call.argument(3),                   call.argument(4),                   static_cast<unsigned>(call.argument(5))};
}

namespace {

// A pipe with nothing in it: nothing may be held up while we wait for it. False: the guest gave up.
bool wait_for_input(const Call& call, int fd) {
  constexpr int kTick = 20;  // ms between looks at the guest
  pollfd ready{fd, POLLIN, 0};
  while (::poll(&ready, 1, kTick) == 0)
    if (!call.supervisor.listener().still_waiting(call.notification.id)) return false;
  return true;
}

ssize_t copy_once(const Call& call, const CopyCall& copy, int in, int out, off_t* in_at, off_t* out_at) {
  switch (call.notification.data.nr) {
    case SYS_sendfile:
      return ::sendfile(out, in, in_at, std::min(copy.length, kStep));
    case SYS_splice:
      return ::splice(in, in_at, out, out_at, std::min(copy.length, kStep), copy.flags | SPLICE_F_NONBLOCK);
    default:
      return ::copy_file_range(in, in_at, out, out_at, std::min(copy.length, kStep), copy.flags);
  }
}

// Into a regular file. What was there before is not asked for: the frames of the pages hit are dropped and read again.
Result<std::int64_t> copy_into(const Call& call, const CopyCall& copy, int in, GuestFile& out) {
  std::array<off_t, 2> at{};
  const std::array<VirtAddr, 2> from{copy.in_offset, copy.out_offset};
  for (std::size_t i = 0; i < 2; ++i)
    if (from[i] != 0) PAGEFOLD_CHECK(read_guest(call.space(), from[i], &at[i], sizeof(off_t)));
  const bool waits = call.notification.data.nr == SYS_splice && (copy.flags & SPLICE_F_NONBLOCK) == 0;
  ssize_t n = 0;
  do {
    if (waits && !wait_for_input(call, in)) return fail(EINTR);
    const Changing changing(call, out);
    const Bytes start = copy.out_offset != 0 ? static_cast<Bytes>(at[1])
                        : appends(out, 0)    ? size_of(out)
                                             : static_cast<Bytes>(::lseek(out.fd.get(), 0, SEEK_CUR));
    if (const auto most = within_limit(call, start, copy.length); !most) return tl::unexpected(most.error());
    cache::FullFile* const full = changing.full();
    const Bytes reach = std::min(copy.length, kStep);
    if (full != nullptr)
      PAGEFOLD_CHECK(call.supervisor.own_files()->write_back_locked(*full, page_of(start), page_behind(start, reach)));
    n = copy_once(call, copy, in, out.fd.get(), from[0] != 0 ? &at[0] : nullptr, from[1] != 0 ? &at[1] : nullptr);
    const int error = errno;
    const PageIndex first = page_of(start), last = page_behind(start, static_cast<Bytes>(std::max<ssize_t>(n, 0)));
    if (n > 0) changing.note(first, last, [&](cache::FullFile& file) { return file.changed(first, last); });
    if (n < 0 && !(waits && error == EAGAIN)) return fail(error);
  } while (n < 0);
  for (std::size_t i = 0; i < 2; ++i)
    if (from[i] != 0) PAGEFOLD_CHECK(write_guest(call.space(), from[i], &at[i], sizeof(off_t)));
  return n;
}

}  // namespace

void on_file_copy(const Call& call) {
  CopyCall copy = copy_call(call);
  copy.length = std::min(copy.length, call.most);
  Result<std::int64_t> done = 0;
  {
    auto out = guest_file(call, copy.out);
    auto in = guest_file(call, copy.in);
    if (in && in->full)
      if (const auto clean = call.supervisor.own_files()->write_back(*in->full); !clean)
        return call.fail(clean.error().code);
    if (!out || !out->writable()) {
      in.reset(), out.reset();
      return call.proceed();
    }
    Workers::about_to_wait();
    const auto source = in ? Result<UniqueFd>(std::move(in->fd)) : borrow(call, copy.in);
    if (!source) return call.fail(EBADF);
    done = copy_into(call, copy, source->get(), *out);
  }
  done ? call.reply(*done) : call.fail(done.error().code);
}

}  // namespace pagefold::kernel
