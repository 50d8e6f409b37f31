#include "cache/full_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/file_status.h"

namespace pagefold::cache {
namespace {

constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;

}  // namespace

Result<std::shared_ptr<FullFile>> FullFile::create(UniqueFd file, const struct stat& status, std::string name) {
  auto store = PAGEFOLD_TRY(frame::Store::create("pagefold-full", page_up(static_cast<Bytes>(status.st_size))));
  UniqueFd reader = PAGEFOLD_TRY(store->open_read_only());
  return std::make_shared<FullFile>(std::move(file), status, std::move(name), std::move(store), std::move(reader));
}

FullFile::~FullFile() {
  change_dirty([&] { dirty_.clear_all(), writing_.clear_all(); });
}

FullFile::Writer FullFile::keep(Writing writable) {
  const std::lock_guard lock(mutex_);
  if (!writer_) writer_ = std::make_shared<const Writing>(std::move(writable));
  return writer_;
}

bool FullFile::let_go() {
  Writer last;  // closed outside the lock
  const std::lock_guard lock(mutex_);
  if (!writer_ || writer_.use_count() > 1 || !dirty_.empty() || !writing_.empty()) return false;
  last = std::move(writer_);
  return true;
}

FullFile::Writer FullFile::writer() const {
  const std::lock_guard lock(mutex_);
  return writer_;
}

FullFile::Mark FullFile::mark_dirty(PageIndex page) {
  const std::lock_guard lock(mutex_);
  if (!resident_.test(page)) return Mark::NoFrame;
  if (followed_.test(page)) return Mark::Followed;
  change_dirty([&] { dirty_.set(page); });
  return Mark::Done;
}

// Pages whose write-back failed; those that were cut off meanwhile have gone for good.
void FullFile::mark_again(PageIndex first, PageIndex last) {
  const std::lock_guard lock(mutex_);
  change_dirty([&] {
    resident_.for_each_run(first, last, [&](PageIndex from, PageIndex to) { dirty_.set_range(from, to); });
  });
}

void FullFile::put_back(const vm::PageSet& pages) {
  pages.for_each_run(0, ~PageIndex{0} >> kPageShift, [this](PageIndex from, PageIndex to) { mark_again(from, to); });
}

bool FullFile::follow(PageIndex page) {
  const std::lock_guard lock(mutex_);
  if (dirty_.test(page)) return false;
  followed_.set(page);
  return true;
}

bool FullFile::any_followed(PageIndex first, PageIndex last) const {
  const std::lock_guard lock(mutex_);
  return followed_.any(first, last);
}

void FullFile::unfollow(PageIndex first, PageIndex last) {
  const std::lock_guard lock(mutex_);
  followed_.clear_range(first, last);
}

Result<std::shared_lock<std::shared_mutex>> FullFile::steady(Patience patience) const {
  std::shared_lock lock(contents_, std::defer_lock);
  if (patience == Patience::Wait)
    lock.lock();
  else if (!lock.try_lock())
    return fail(EAGAIN);
  return lock;
}

bool FullFile::is_dirty(PageIndex page) const {
  const std::lock_guard lock(mutex_);
  return dirty_.test(page);
}

bool FullFile::any_dirty(PageIndex first, PageIndex last) const {
  const std::lock_guard lock(mutex_);
  return dirty_.any(first, last) || writing_.any(first, last);
}

PageIndex FullFile::dirty_pages() const {
  const std::lock_guard lock(mutex_);
  return dirty_.count();
}

vm::PageSet FullFile::take_dirty(PageIndex first, PageIndex last) {
  vm::PageSet taken;
  const std::lock_guard lock(mutex_);
  dirty_.for_each_run(first, last, [&](PageIndex from, PageIndex to) { taken.set_range(from, to); });
  if (taken.empty()) return taken;
  change_dirty([&] {
    dirty_.clear_range(first, last);
    writing_ = taken;
  });
  return taken;
}

Result<void> FullFile::write(const vm::PageSet& pages, Hurry hurry) {
  const PageIndex end_of_file = page_of(page_up(size()));
  const Writer writer = this->writer();
  const ActingAs acting(writer ? writer->rights : std::nullopt);
  std::optional<FrameWriter> frames;
  if (writer) frames.emplace(*store_, writer->fd.get(), size(), pages, hurry);
  Result<void> done;
  times_known_ = false;
  pages.for_each_run(0, end_of_file, [&](PageIndex from, PageIndex to) {
    for (PageIndex until = from; from < to; from = until) {
      until = std::min(to, from + FrameWriter::kStep);
      const Result<void> step = frames ? frames->write(from, until) : Result<void>(fail(EIO));
      if (step) {
        keep_pinned_dirty(from, until);
        const std::lock_guard lock(mutex_);
        unsynced_.set_range(from, until);
        continue;
      }
      mark_again(from, until);
      if (done) done = fail(step.error().code, "write back " + name());
    }
  });
  frames.reset();
  const std::lock_guard lock(mutex_);
  change_dirty([&] { writing_.clear_all(); });
  return done;
}

void FullFile::keep_pinned_dirty(PageIndex first, PageIndex last) {
  for (PageIndex page = first; any_pinned() && page < last; ++page)
    if (pinned(page)) mark_again(page, page + 1);
}

// Whether what is being written back was copied before the device was done is not known.
void FullFile::about_to_unpin(PageIndex first, PageIndex last) {
  vm::PageSet again;
  {
    const std::lock_guard lock(mutex_);
    writing_.for_each_run(first, last, [&](PageIndex from, PageIndex to) { again.set_range(from, to); });
  }
  put_back(again);
}

vm::PageSet FullFile::take_unsynced() {
  const std::lock_guard lock(mutex_);
  return std::exchange(unsynced_, {});
}

PageIndex FullFile::set_size(Bytes size) {
  const Bytes old = size_;
  if (size == old) return 0;
  const PageIndex end = page_of(page_up(size));
  vm::PageSet gone;
  {
    const std::lock_guard lock(mutex_);
    resident_.for_each_run(end, kEnd, [&](PageIndex from, PageIndex to) { gone.set_range(from, to); });
    resident_.clear_range(end, kEnd);
    change_dirty([&] { dirty_.clear_range(end, kEnd); });
  }
  // What lies behind the end of a file reads as zeros: now, and when the file grows over it.
  const Bytes tail = std::min(size, old), tail_end = page_up(tail);
  if (tail < tail_end && resident(page_of(tail))) {
    const std::array<std::byte, kPageSize> zeros{};
    (void)store_->write(tail, zeros.data(), tail_end - tail);
  }
  size_ = size;
  (void)store_->resize(page_up(size));
  tell_gone(gone);
  return gone.count();
}

void FullFile::tell_gone(const vm::PageSet& pages) const {
  if (listener_ == nullptr) return;
  pages.for_each_run(0, kEnd, [&](PageIndex from, PageIndex to) { listener_->gone(from, to, vm::FrameListener::Why::Freed); });
}

PageIndex FullFile::resize() {
  times_known_ = false;
  const auto now = stat_without_times(file_.get());
  return now ? set_size(static_cast<Bytes>(now->st_size)) : 0;
}

PageIndex FullFile::wrote(Bytes offset, const void* from, Bytes length) {
  const PageIndex gone = resize();
  const auto* bytes = static_cast<const std::byte*>(from);
  const PageIndex last = page_of(page_up(offset + length));
  const vm::PageSet present = resident_set();
  present.for_each_run(page_of(offset), last, [&](PageIndex first, PageIndex end) {
    const Bytes start = std::max(offset, bytes_of(first)), stop = std::min(offset + length, bytes_of(end));
    (void)store_->write(start, bytes + (start - offset), stop - start);
  });
  return gone;
}

PageIndex FullFile::changed(PageIndex first, PageIndex last) {
  const PageIndex gone = resize();
  return gone + drop(first, last);
}

PageIndex FullFile::start_anew() {
  struct stat now {};
  if (::fstat(file_.get(), &now) != 0) return drop(0, kEnd);
  status_ = now;
  times_known_ = true;
  const PageIndex gone = set_size(static_cast<Bytes>(now.st_size));
  return gone + drop(0, kEnd);
}

PageIndex FullFile::drop(PageIndex first, PageIndex last) {
  PageIndex gone = 0;
  const std::lock_guard lock(mutex_);
  vm::PageSet clean;
  resident_.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    for (PageIndex page = from; page < to; ++page)
      if (!dirty_.test(page)) clean.set(page);
  });
  clean.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    gone += resident_.clear_range(from, to);
    (void)store_->release(bytes_of(from), bytes_of(to - from));
  });
  tell_gone(clean);
  return gone;
}

bool FullFile::may_be_outdated() const {
  struct stat now {};
  return !times_known_ || (::fstat(file_.get(), &now) == 0 && !matches(now));
}

}  // namespace pagefold::cache
