#include "cache/file_object.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "base/scratch.h"

namespace pagefold::cache {
namespace {

// How much is read from a file in one step.
constexpr PageIndex kStep = 32;

bool same_time(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

// Runs of the set in [first, last), `most` pages altogether.
FileObject::Runs runs_of(const vm::PageSet& set, PageIndex first, PageIndex last, PageIndex most) {
  FileObject::Runs runs;
  set.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    to = from + std::min(to - from, most);
    if (from == to) return;
    most -= to - from;
    runs.emplace_back(from, to);
  });
  return runs;
}

}  // namespace

Result<std::shared_ptr<FileObject>> FileObject::create(UniqueFd file, const struct stat& status, std::string name) {
  auto store = PAGEFOLD_TRY(frame::Store::create("pagefold-file", page_up(static_cast<Bytes>(status.st_size))));
  UniqueFd reader = PAGEFOLD_TRY(store->open_read_only());
  return std::make_shared<FileObject>(std::move(file), status, std::move(name), std::move(store), std::move(reader));
}

FileObject::FileObject(UniqueFd file, const struct stat& status, std::string name, std::shared_ptr<frame::Store> store,
                       UniqueFd reader)
    : Object(Kind::File, std::move(name), status.st_dev, status.st_ino),
      file_(std::move(file)),
      status_(status),
      size_(static_cast<Bytes>(status.st_size)),
      store_(std::move(store)),
      reader_(std::move(reader)) {}

FileObject::~FileObject() {
  constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;
  if (listener_)
    resident_.for_each_run(0, kEnd, [&](PageIndex from, PageIndex to) { listener_->gone(from, to, vm::FrameListener::Why::Freed); });
}

PageIndex FileObject::pages() const {
  struct stat now {};
  if (given_up_ && ::fstat(file_.get(), &now) == 0) return page_of(page_up(static_cast<Bytes>(now.st_size)));
  return page_of(page_up(size()));
}

bool FileObject::matches(const struct stat& status) const {
  return status.st_size == status_.st_size && same_time(status.st_mtim, status_.st_mtim) &&
         same_time(status.st_ctim, status_.st_ctim);
}

bool FileObject::resident(PageIndex page) const {
  const std::lock_guard lock(mutex_);
  return resident_.test(page);
}

bool FileObject::cached(PageIndex page) const {
  if (resident(page)) return true;
  std::byte first{};
  iovec part{&first, 1};
  return ::preadv2(file_.get(), &part, 1, static_cast<off_t>(bytes_of(page)), RWF_NOWAIT) == 1;
}

PageIndex FileObject::resident_pages() const {
  const std::lock_guard lock(mutex_);
  return resident_.count();
}

vm::PageSet FileObject::resident_set() const {
  const std::lock_guard lock(mutex_);
  return resident_;
}

PageIndex FileObject::resident_until(PageIndex first, PageIndex limit) const {
  const std::lock_guard lock(mutex_);
  return resident_.next_gap(first, limit);
}

void FileObject::note_mapped(PageIndex first, PageIndex last) {
  const std::lock_guard lock(mutex_);
  mapped_.set_range(first, last);
}

void FileObject::note_copied(PageIndex first, PageIndex last) {
  const std::lock_guard lock(mutex_);
  copied_.set_range(first, last);
}

void FileObject::note_cleared(PageIndex first, PageIndex last) {
  const std::lock_guard lock(mutex_);
  cleared_.set_range(first, last);
}

FileObject::Runs FileObject::usually_mapped(PageIndex first, PageIndex last, PageIndex most) const {
  const std::lock_guard lock(mutex_);
  Runs runs;
  for (const auto& [from, to] : runs_of(mapped_, first, last, ~PageIndex{0}))
    for (const auto& [start, end] : runs_of(resident_, from, to, most)) {
      runs.emplace_back(start, end);
      most -= end - start;
    }
  return runs;
}

FileObject::Runs FileObject::usually_copied(PageIndex first, PageIndex last, PageIndex most) const {
  const std::lock_guard lock(mutex_);
  return runs_of(copied_, first, last, most);
}

FileObject::Runs FileObject::usually_cleared(PageIndex first, PageIndex last, PageIndex most) const {
  const std::lock_guard lock(mutex_);
  return runs_of(cleared_, first, last, most);
}

Result<Bytes> FileObject::read_file(Bytes offset, void* to, Bytes length, Patience patience) const {
  Bytes done = 0;
  while (done < length) {
    iovec part{static_cast<char*>(to) + done, length - done};
    ssize_t n = ::preadv2(file_.get(), &part, 1, static_cast<off_t>(offset + done),
                          patience == Patience::NoWait ? RWF_NOWAIT : 0);
    if (n < 0 && errno == EOPNOTSUPP && patience == Patience::NoWait) return fail(EAGAIN);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + name());
    if (n == 0) break;
    done += static_cast<Bytes>(n);
  }
  std::memset(static_cast<char*>(to) + done, 0, length - done);
  return done;
}

Result<PageIndex> FileObject::ensure(PageIndex first, PageIndex last, Patience patience) {
  PageIndex read = 0;
  const auto unchanged = PAGEFOLD_TRY(steady(patience));
  last = std::min(last, page_of(store_->size()));
  std::unique_lock lock(mutex_);
  for (PageIndex page = resident_.next_gap(first, last); page < last; page = resident_.next_gap(page, last)) {
    if (filling_.test(page)) {
      if (patience == Patience::NoWait) return fail(EAGAIN);
      filled_.wait(lock, [&] { return !filling_.test(page); });
      continue;
    }
    const PageIndex end = std::min({last, page + kStep, resident_.next(page, last), filling_.next(page, last)});
    filling_.set_range(page, end);
    lock.unlock();
    const Bytes length = bytes_of(end - page);
    std::byte* contents = scratch(length);
    auto got = read_file(bytes_of(page), contents, length, patience);
    Result<void> stored;
    if (got) stored = store_->write(bytes_of(page), contents, length);
    lock.lock();
    filling_.clear_range(page, end);
    filled_.notify_all();
    if (!got) return tl::unexpected(std::move(got).error());
    if (!stored) return tl::unexpected(std::move(stored).error());
    resident_.set_range(page, end);
    if (listener_) listener_->came(page, end);
    read += end - page;
    page = end;
  }
  return read;
}

vm::PageSet FileObject::evict(PageIndex first, PageIndex last) {
  const std::lock_guard lock(mutex_);
  vm::PageSet going, gone;
  resident_.for_each_run(first, last, [&](PageIndex from, PageIndex to) { going.set_range(from, to); });
  if (const vm::PageSet* kept = unsaved())
    kept->for_each_run(first, last, [&](PageIndex from, PageIndex to) { going.clear_range(from, to); });
  going.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    // In this order: whoever copies a page right now looks again afterwards.
    resident_.clear_range(from, to);
    ++evictions_;
    if (!store_->release(bytes_of(from), bytes_of(to - from))) {
      resident_.set_range(from, to);
      return;
    }
    if (listener_) listener_->gone(from, to, vm::FrameListener::Why::Evicted);
    gone.set_range(from, to);
  });
  return gone;
}

Result<void> FileObject::copy_page(PageIndex page, void* to, Patience patience) {
  for (;;) {
    // A frame that goes away while it is copied reads as zeros; in this order that is noticed.
    const std::uint64_t before = evictions_;
    if (given_up_ || !resident(page)) break;
    PAGEFOLD_CHECK(store_->read(bytes_of(page), to, kPageSize));
    if (evictions_ == before) return {};
  }
  PAGEFOLD_TRY(read_file(bytes_of(page), to, kPageSize, patience));
  return {};
}

}  // namespace pagefold::cache
