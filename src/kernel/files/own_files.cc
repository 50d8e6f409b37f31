#include "kernel/files/own_files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "kernel/fail/failures.h"
#include "kernel/files/guest_rights.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {

void count_gone(PageIndex pages) {
  if (pages != 0) stats().frames(-static_cast<std::int64_t>(bytes_of(pages)));
}

void OwnFiles::start() {
  if (interval_.count() != 0) ticker_ = std::thread([this] { tick(); });
}

void OwnFiles::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake_.notify_all();
  if (ticker_.joinable()) ticker_.join();
  settle();
  if (const auto done = write_back_all(); !done) stats().note("lost at the end of the run: " + done.error().message());
}

void OwnFiles::tick() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, interval_, [this] { return stopping_; })) {
    lock.unlock();
    for (const auto& file : supervisor_.files().full_files())
      if (const auto done = write_back(*file); !done) file->keep_error(done.error().code);
    settle();
    supervisor_.files().forget_deleted();
    lock.lock();
  }
}

namespace {

// Calls run(first, last) for the runs of `pages` in [first, last), those as one between which all pages are in `bridged`.
template <class Run>
void each_bridged_run(const vm::PageSet& pages, const vm::PageSet& bridged, PageIndex first, PageIndex last, Run&& run) {
  for (PageIndex from = pages.next(first, last); from < last;) {
    PageIndex to = pages.next_gap(from, last), next = pages.next(to, last);
    while (next < last && bridged.next_gap(to, next) == next) {
      to = pages.next_gap(next, last);
      next = pages.next(to, last);
    }
    run(from, to);
    from = next;
  }
}

}  // namespace

// Stores to these pages fault from now on, in every space that may make them. What is mapped between them is clean and protected
// already, or has just been stored into and then faults once more; to have it among them saves calls.
void OwnFiles::guard(const cache::FullFile& file, const vm::PageSet& pages) {
  for (const SpaceRef& space : supervisor_.guests().spaces()) {
    const std::lock_guard lock(space->mutex);
    if (!space->uffd) continue;
    space->host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
      if (piece.kind != pmap::HostPiece::Kind::Tracked || piece.object.get() != &file) return;
      const PageIndex first = page_of(piece.offset);
      each_bridged_run(pages, space->mapped_pages[&file], first, first + piece.range.pages(), [&](PageIndex from, PageIndex to) {
        const VirtAddr at = piece.range.start + bytes_of(from - first);
        (void)space->uffd.write_protect({at, at + bytes_of(to - from)});
      });
    });
  }
}

namespace {

// Calls piece(layer, first, last) for what private mappings of the file's [first, last) have in the space's layer.
template <class Piece>
void each_private_piece(Space& space, const cache::FullFile& file, PageIndex first, PageIndex last, Piece&& piece) {
  for (const auto& [start, v] : space.map.all()) {
    if (v.object.get() != &file || !v.layered) continue;
    const PageIndex begin = page_of(v.offset), end = begin + v.range.pages();
    const PageIndex from = std::max(first, begin), to = std::min(last, end);
    if (from < to) piece(*space.layer, page_of(v.layer) + (from - begin), page_of(v.layer) + (to - begin));
  }
}

}  // namespace

void OwnFiles::expel_locked(cache::FullFile& file, PageIndex first, PageIndex last) {
  if (!file.any_followed(first, last)) return;
  for (const SpaceRef& space : supervisor_.guests().spaces()) {
    const std::lock_guard lock(space->mutex);
    const std::lock_guard family(space->layer->mutex());
    each_private_piece(*space, file, first, last,
                       [](vm::Layer& layer, PageIndex from, PageIndex to) { (void)layer.drop_mirrors(from, to); });
  }
  file.unfollow(first, last);
}

void OwnFiles::expel(cache::FullFile& file, PageIndex first, PageIndex last) {
  const std::unique_lock contents(file.contents());
  expel_locked(file, first, last);
}

void OwnFiles::changed(cache::FullFile& file, PageIndex first, PageIndex last, Bytes old_size) {
  expel_locked(file, first, last);
  if (page_up(old_size) > page_up(file.size())) cut_off(file, file.pages());
}

void OwnFiles::cut_off(const cache::FullFile& file, PageIndex end) {
  for (const SpaceRef& space : supervisor_.guests().spaces()) {
    const std::lock_guard lock(space->mutex);
    const std::lock_guard family(space->layer->mutex());
    each_private_piece(*space, file, end, kAll,
                       [](vm::Layer& layer, PageIndex from, PageIndex to) { (void)layer.discard(from, to); });
  }
}

Result<void> OwnFiles::write_back_locked(cache::FullFile& file, PageIndex first, PageIndex last, cache::Hurry hurry) {
  vm::PageSet pages = file.take_dirty(first, last), failed;
  if (pages.empty()) return {};
  guard(file, pages);
  if (order_) order_->closed(file, pages);
  Result<void> done;
  if (Failures* failures = supervisor_.failures()) done = failures->before_write_back(file, pages, failed);
  auto written = file.write(pages, hurry);
  file.put_back(failed);
  return done ? std::move(written) : done;
}

Result<void> OwnFiles::write_back(cache::FullFile& file, PageIndex first, PageIndex last, cache::Hurry hurry) {
  if (!file.any_dirty(first, last)) return {};
  if (file.any_pinned()) settle_reads();
  const std::unique_lock contents(file.contents());
  return write_back_locked(file, first, last, hurry);
}

Result<void> OwnFiles::write_back_all() {
  Result<void> done;
  if (order_) order_->forget_turns();
  if (cache::FullFile::dirty_files() == 0) return done;
  for (const auto& file : supervisor_.files().full_files())
    if (auto one = write_back(*file); !one && done) done = std::move(one);
  return done;
}

Result<void> OwnFiles::punch(cache::FullFile& file, PageIndex first, PageIndex last) {
  const std::unique_lock contents(file.contents());
  const auto writer = file.writer();
  if (!writer) return fail(EACCES);
  // What is dirty there need not reach the file, but if the file refuses it must not be lost.
  PAGEFOLD_CHECK(write_back_locked(file, first, last));
  const auto at = static_cast<off_t>(bytes_of(first)), length = static_cast<off_t>(bytes_of(last - first));
  if (::fallocate(writer->fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length) != 0) return fail(errno);
  count_gone(file.changed(first, last));
  changed(file, first, last, file.size());
  return {};
}

Result<std::shared_ptr<const void>> OwnFiles::hold(const std::shared_ptr<cache::FullFile>& file, UniqueFd writable,
                                                   pid_t thread) {
  // Pages are written to places of their own, in any length.
  const int flags = ::fcntl(writable.get(), F_GETFL);
  if ((flags & (O_APPEND | O_DIRECT)) != 0) {
    UniqueFd plain(::open(fmt::format("/proc/self/fd/{}", writable.get()).c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (!plain) return fail_errno("open " + file->name() + " for write-back");
    writable = std::move(plain);
  }
  auto writer = file->keep({std::move(writable), rights_to_act_with(thread)});
  return std::shared_ptr<const void>(writer.get(), [this, file, writer](const void*) mutable {
    writer.reset();
    const std::lock_guard lock(mutex_);
    unheld_.push_back(std::move(file));
  });
}

void OwnFiles::settle_reads() {
  for (const SpaceRef& space : supervisor_.guests().spaces()) {
    const std::lock_guard lock(space->mutex);
    space->in_flight.settle(*space);
  }
}

void OwnFiles::settle() {
  std::vector<std::shared_ptr<cache::FullFile>> files;
  {
    const std::lock_guard lock(mutex_);
    files.swap(unheld_);
  }
  for (const auto& file : files) {
    if (file->let_go()) continue;
    if (const auto done = write_back(*file); !done) file->keep_error(done.error().code);
    file->let_go();
  }
}

void OwnFiles::leave(Space& space) {
  space.map.modify({0, kUserTop}, [](vm::Vma& v) { v.hold.reset(); });
}

void OwnFiles::refresh(cache::FullFile& file) {
  if (!file.may_be_outdated()) return;
  const std::unique_lock contents(file.contents());
  const Bytes old_size = file.size();
  count_gone(file.start_anew());
  changed(file, 0, kAll, old_size);
}

}  // namespace pagefold::kernel
