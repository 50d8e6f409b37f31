#include "kernel/files/store_order.h"

#include <algorithm>

#include "kernel/files/own_files.h"

namespace pagefold::kernel {
namespace {

// No instruction stores to more pages (XSAVE with all its states takes three).
constexpr unsigned kMostTurns = 4;

event::FileId id_of(const cache::FullFile& file) { return {file.device(), file.inode()}; }

std::vector<std::byte> contents_of(cache::FullFile& file, PageIndex page) {
  std::vector<std::byte> bytes(kPageSize);
  if (!file.read_frame(page, bytes.data())) bytes.clear();
  return bytes;
}

}  // namespace

bool StoreOrder::may_open(const std::shared_ptr<cache::FullFile>& file, PageIndex page, const event::FileWatch::Caller& caller) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::any_of(open_, [&](const Open& o) { return o.file == file && o.page == page; })) return true;
  if (!watch_.watches(id_of(*file))) return true;
  // A page that close_others() has left open was unchanged, or is another thread's that has been opened since.
  if (std::ranges::any_of(open_, [](const Open& o) { return o.age == 0; })) return false;
  open_.push_back({file, page, caller, ++clock_, 0, contents_of(*file, page)});
  return true;
}

void StoreOrder::close_others() {
  std::vector<Open> due;
  {
    const std::lock_guard lock(mutex_);
    for (Open& o : open_)
      if (contents_of(*o.file, o.page) != o.before || ++o.age > kMostTurns) due.push_back(o);
  }
  for (const Open& o : due) (void)files_.write_back(*o.file, o.page, o.page + 1);
  // Pages that were not dirty (any more) are not written back.
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [&](const Open& o) { return std::ranges::any_of(due, [&](const Open& d) { return d.opened == o.opened; }); });
}

event::FileWatch::Caller StoreOrder::close(const cache::FullFile& file, PageIndex page, event::FileWatch::Stored& stored) {
  const std::lock_guard lock(mutex_);
  stored.closed = ++clock_;
  const auto it = std::ranges::find_if(open_, [&](const Open& o) { return o.file.get() == &file && o.page == page; });
  if (it == open_.end()) return {};
  stored.opened = it->opened;
  event::FileWatch::Caller caller = std::move(it->caller);
  open_.erase(it);
  return caller;
}

void StoreOrder::closed(cache::FullFile& file, const vm::PageSet& pages) {
  pages.for_each_run(0, file.pages(), [&](PageIndex first, PageIndex last) {
    for (PageIndex page = first; page < last; ++page) {
      const auto bytes = contents_of(file, page);
      event::FileWatch::Stored stored{id_of(file), bytes_of(page), bytes};
      const auto caller = close(file, page, stored);
      if (!bytes.empty()) watch_.stored(caller, stored);
    }
  });
}

}  // namespace pagefold::kernel
