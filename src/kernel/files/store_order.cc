#include "kernel/files/store_order.h"

#include <algorithm>

#include "kernel/files/own_files.h"

namespace pagefold::kernel {
namespace {

event::FileId id_of(const cache::FullFile& file) { return {file.device(), file.inode()}; }

std::vector<std::byte> contents_of(cache::FullFile& file, PageIndex page) {
  std::vector<std::byte> bytes(kPageSize);
  if (!file.read_frame(page, bytes.data())) bytes.clear();
  return bytes;
}

}  // namespace

bool StoreOrder::may_open(const std::shared_ptr<cache::FullFile>& file, PageIndex page,
                          const event::FileWatch::Caller& caller) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::any_of(open_, [&](const Open& o) { return o.file == file && o.page == page; })) return true;
  if (!watch_.watches(id_of(*file))) return true;
  if (!caller.code) return false;
  if (closed_unchanged_.contains({file.get(), page})) held_up_ = true;
  if (!std::ranges::all_of(open_, &Open::kept)) return false;
  open_.push_back({file, page, caller, ++clock_, false, contents_of(*file, page)});
  return true;
}

void StoreOrder::close_others() {
  std::vector<Open> due;
  {
    const std::lock_guard lock(mutex_);
    for (Open& o : open_) {
      const bool changed = contents_of(*o.file, o.page) != o.before;
      o.kept = !changed && held_up_;
      if (o.kept) continue;
      if (!changed) closed_unchanged_.insert({o.file.get(), o.page});
      due.push_back(o);
    }
  }
  for (const Open& o : due) (void)files_.write_back(*o.file, o.page, o.page + 1);
  // Pages that were not dirty (any more) are not written back.
  const std::lock_guard lock(mutex_);
  std::erase_if(open_, [&](const Open& o) {
    return std::ranges::any_of(due, [&](const Open& d) { return d.opened == o.opened; });
  });
}

void StoreOrder::forget_turns() {
  const std::lock_guard lock(mutex_);
  closed_unchanged_.clear();
  held_up_ = false;
}

event::FileWatch::Caller StoreOrder::close(Name page, event::FileWatch::Stored& stored) {
  const std::lock_guard lock(mutex_);
  stored.closed = ++clock_;
  const auto it =
      std::ranges::find_if(open_, [&](const Open& o) { return o.file.get() == page.first && o.page == page.second; });
  if (it == open_.end()) return {};
  if (!std::ranges::equal(it->before, stored.bytes)) {
    closed_unchanged_.clear();
    held_up_ = false;
  }
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
      const auto caller = close({&file, page}, stored);
      if (!bytes.empty()) watch_.stored(caller, stored);
    }
  });
}

}  // namespace pagefold::kernel
