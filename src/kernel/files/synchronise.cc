// msync, fsync and fdatasync of fully owned files: dirty pages go to the host's file, then the host brings the file to its disk.
//
// Either can fail. After a failure of its own Linux tells it once, takes its pages for clean and forgets them: the sync after that
// succeeds, and what was stored is not on the disk. Our frames still hold it, so here the pages are dirty again, and the next sync
// tries again; it succeeds only when they are on the disk. Pages without a frame (evicted meanwhile), and what was written by calls,
// fare as on Linux. So does a file that nobody has open for writing any more.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/files/file_calls.h"
#include "kernel/files/guest_rights.h"

namespace pagefold::kernel {

Result<void> OwnFiles::synchronise(const std::shared_ptr<cache::FullFile>& file, const HostSync& host, PageIndex first, PageIndex last) {
  if (auto done = write_back(*file, first, last, cache::Hurry::Yes); !done) {
    (void)file->take_error();  // told now
    return done;
  }
  if (const int error = file->take_error()) return fail(error, "write back " + file->name());
  // Linux remembers for each open file description which errors it has been told.
  const cache::FullFile::Writer writer = file->writer();
  const int fd = host.fd >= 0 ? host.fd : writer ? writer->fd.get() : file->file();
  const std::lock_guard syncing(file->syncing());
  const vm::PageSet written = file->take_unsynced();
  if ((host.data_only ? ::fdatasync(fd) : ::fsync(fd)) == 0) return {};
  auto failed = fail_errno("synchronise " + file->name());
  write_again(file, written, host);
  return failed;
}

void OwnFiles::write_again(const std::shared_ptr<cache::FullFile>& file, const vm::PageSet& pages, const HostSync& host) {
  const std::unique_lock contents(file->contents());
  cache::FullFile::Writer writer = file->writer();
  if (!writer && host.fd >= 0 && (::fcntl(host.fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
    writer = file->keep({UniqueFd(::fcntl(host.fd, F_DUPFD_CLOEXEC, 0)), rights_to_act_with(host.thread)});
  if (!writer) return;
  const vm::PageSet there = file->resident_set();
  const auto each_run = [&](auto&& run) {
    pages.for_each_run(0, kAll, [&](PageIndex from, PageIndex to) { there.for_each_run(from, to, run); });
  };
  each_run([&](PageIndex from, PageIndex to) { expel_locked(*file, from, to); });  // a dirty page has no mirrors
  file->put_back(pages);
  // What the host still has of them passes for written: ext4 would write it again to blocks that stay marked as never written.
  // Who reads them meanwhile finds them dirty, and waits.
  each_run([&](PageIndex from, PageIndex to) {
    ::posix_fadvise(writer->fd.get(), static_cast<off_t>(bytes_of(from)), static_cast<off_t>(bytes_of(to - from)), POSIX_FADV_DONTNEED);
  });
  const std::lock_guard lock(mutex_);
  unheld_.push_back(file);
}

// ---- the calls

void on_file_sync(const Call& call) {
  Workers::about_to_wait();
  std::optional<Result<void>> done;
  {
    const auto file = guest_file(call, static_cast<int>(call.argument(0)));
    const bool data_only = call.notification.data.nr == SYS_fdatasync;
    if (file && file->full)
      done = call.supervisor.own_files()->synchronise(file->full, {file->fd.get(), data_only, static_cast<pid_t>(call.notification.pid)});
  }
  done ? call.finish(*done) : call.proceed();
}

// It promises nothing beyond the write-back.
void on_file_range_sync(const Call& call) {
  Workers::about_to_wait();
  Result<void> done;
  {
    const auto file = guest_file(call, static_cast<int>(call.argument(0)));
    if (file && file->full) done = call.supervisor.own_files()->write_back(*file->full);
  }
  done ? call.proceed() : call.fail(done.error().code);
}

void on_sync_all(const Call& call) {
  Workers::about_to_wait();
  const auto done = call.supervisor.own_files()->write_back_all();
  // sync(2) tells of no error.
  done || call.notification.data.nr == SYS_sync ? call.proceed() : call.fail(done.error().code);
}

}  // namespace pagefold::kernel
