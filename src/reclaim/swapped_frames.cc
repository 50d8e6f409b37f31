#include "reclaim/swapped_frames.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace pagefold::reclaim {
namespace {

struct alignas(kPageSize) PageBuffer : std::array<std::byte, kPageSize> {};
constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;

}  // namespace

SwappedFrames::~SwappedFrames() {
  // Frames are not gone for certain before they are released: a program that is being killed may still map the store.
  in_.for_each_run(0, kEnd, [&](PageIndex first, PageIndex last) {
    (void)frames_->release(bytes_of(first), bytes_of(last - first));
    reclaimer_.gone(id_, first, last, Going::Freed);
  });
  slots_.for_each([this](const Place& place) { swap_->drop({&place.slot, 1}); });
  reclaimer_.remove(id_);
}

Result<void> SwappedFrames::read(Bytes offset, void* to, Bytes length) const {
  auto* at = static_cast<std::byte*>(to);
  while (length > 0) {
    const PageIndex page = page_of(offset);
    const Bytes within = offset & kPageMask, n = std::min(length, kPageSize - within);
    if (const Place* place = slots_.find(page); place == nullptr) {
      PAGEFOLD_CHECK(frames_->read(offset, at, n));
    } else {
      PageBuffer contents;
      PAGEFOLD_CHECK(swap_->get({&place->slot, 1}, contents.data()));
      std::memcpy(at, contents.data() + within, n);
    }
    offset += n;
    at += n;
    length -= n;
  }
  return {};
}

Result<void> SwappedFrames::write(Bytes offset, const void* from, Bytes length) {
  const auto* at = static_cast<const std::byte*>(from);
  while (length > 0) {
    const Bytes within = offset & kPageMask, n = std::min(length, kPageSize - within);
    PAGEFOLD_CHECK(write_page(page_of(offset), within, at, n));
    offset += n;
    at += n;
    length -= n;
  }
  return {};
}

Result<void> SwappedFrames::write_page(PageIndex page, Bytes within, const void* from, Bytes length) {
  if (in_.test(page)) {
    stay(page, page + 1);
    return frames_->write(bytes_of(page) + within, from, length);
  }
  // Its contents change, or begin: in a frame if there is room, else in the swap.
  PageBuffer contents{};
  if (length < kPageSize && out_.test(page)) PAGEFOLD_CHECK(read(bytes_of(page), contents.data(), kPageSize));
  std::memcpy(contents.data() + within, from, length);
  MemoryLimit& limit = reclaimer_.limit();
  // Of the caller's own reservation one frame is left, for what it was made for.
  const Reservation* reserved = Reservation::current();
  const bool drawn = reserved != nullptr && reserved->left() > 1;
  if (!drawn && !limit.take(1)) return store_out(page, contents.data());
  std::optional<Reservation> room;
  if (!drawn) room.emplace(limit, 1);
  PAGEFOLD_CHECK(frames_->write(bytes_of(page), contents.data(), kPageSize));
  filled(page, page + 1, vm::FillReason::Needed);
  return {};
}

Result<void> SwappedFrames::store_out(PageIndex page, const std::byte* contents) {
  if (swap_ == nullptr) return fail(ENOMEM, "memory limit");
  SwapSlot slot = 0;
  PAGEFOLD_TRY(swap_->put(contents, {&slot, 1}));
  drop(page);
  put_in(page, slot);
  return {};
}

void SwappedFrames::put_in(PageIndex page, SwapSlot slot) {
  slots_.set(page, {slot, next_stamp_++});
  out_.set(page);
}

void SwappedFrames::drop(PageIndex page) {
  const Place* place = slots_.find(page);
  if (place == nullptr) return;
  swap_->drop({&place->slot, 1});
  slots_.erase(page);
  out_.clear(page);
}

Result<void> SwappedFrames::release(Bytes offset, Bytes length) {
  const PageIndex first = page_of(offset), last = page_of(offset + length);
  if (!out_.empty())
    for (PageIndex page = out_.next(first, last); page < last; page = out_.next(page + 1, last)) {
      drop(page);
      reclaimer_.forget(id_, page);
    }
  stay(first, last);
  const Result<void> released = frames_->release(offset, length);
  std::vector<std::pair<PageIndex, PageIndex>> runs;
  in_.for_each_run(first, last, [&](PageIndex from, PageIndex to) { runs.emplace_back(from, to); });
  for (const auto& [from, to] : runs) {
    in_.clear_range(from, to);
    if (evicting_) dropped_.set_range(from, to);
    reclaimer_.gone(id_, from, to, evicting_ ? Going::Evicted : Going::Freed);
  }
  if (!evicting_ && dropped_.any(first, last)) forget_dropped(first, last);
  return released;
}

void SwappedFrames::forget_dropped(PageIndex first, PageIndex last) {
  dropped_.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    for (; from < to; ++from) reclaimer_.forget(id_, from);
  });
  dropped_.clear_range(first, last);
}

void SwappedFrames::filled(PageIndex first, PageIndex last, vm::FillReason reason) {
  for (PageIndex page = out_.next(first, last); page < last; page = out_.next(page + 1, last)) {
    drop(page);
    reclaimer_.refaulted(id_);
  }
  for (PageIndex page = in_.next_gap(first, last); page < last;) {
    const PageIndex end = in_.next(page, last);
    in_.set_range(page, end);
    if (dropped_.clear_range(page, end) > 0) reclaimer_.refaulted(id_);
    reclaimer_.came(id_, page, end, reason == vm::FillReason::Needed ? Coming::Needed : Coming::Ahead);
    page = in_.next_gap(end, last);
  }
}

void SwappedFrames::stay(PageIndex first, PageIndex last) {
  std::erase_if(leaving_, [=](const auto& entry) { return entry.first >= first && entry.first < last; });
}

void SwappedFrames::leave(PageIndex first, PageIndex last, Departure& departure) {
  if (departure.stamp_ == 0) departure.stamp_ = next_stamp_++;
  for (PageIndex page = first; page < last; ++page) {
    departure.pages_.push_back(page);
    leaving_[page] = departure.stamp_;
  }
}

Result<void> SwappedFrames::copy(Departure& departure) const {
  const auto& pages = departure.pages_;
  for (std::size_t i = 0, end = 0; i < pages.size(); i = end) {
    for (end = i + 1; end < pages.size() && pages[end] == pages[end - 1] + 1;) ++end;
    PAGEFOLD_CHECK(frames_->read(bytes_of(pages[i]), departure.contents_.get() + bytes_of(i), bytes_of(end - i)));
  }
  return {};
}

void SwappedFrames::store(Departure& departure) const {
  departure.slots_.resize(departure.pages_.size());
  const auto put = [&]() -> Result<std::size_t> {
    if (swap_ == nullptr) return fail(ENOSPC, "no swap");
    PAGEFOLD_CHECK(copy(departure));
    return swap_->put(departure.contents_.get(), departure.slots_);
  };
  auto stored = put();
  departure.slots_.resize(stored ? *stored : 0);
  departure.why_not_ = stored ? Error{ENOSPC, "swap"} : std::move(stored).error();
}

Result<void> SwappedFrames::gone(const Departure& departure, std::size_t index) {
  const PageIndex page = departure.pages_[index];
  const bool stored = index < departure.slots_.size();
  const auto it = leaving_.find(page);
  const bool stays = it == leaving_.end() || it->second != departure.stamp_;
  if (!stays) leaving_.erase(it);
  if (!stored) return tl::unexpected(departure.why_not_);
  if (stays) {
    swap_->drop({&departure.slots_[index], 1});
    return fail(EBUSY);
  }
  in_.clear(page);
  put_in(page, departure.slots_[index]);
  return {};
}

Result<void> SwappedFrames::release_frames(PageIndex first, PageIndex last) {
  const Result<void> released = frames_->release(bytes_of(first), bytes_of(last - first));
  if (released) {
    reclaimer_.gone(id_, first, last, Going::Evicted);
    return {};
  }
  // Nobody could store to them: frames and slots are alike.
  for (PageIndex page = first; page < last; ++page) drop(page);
  in_.set_range(first, last);
  return released;
}

Found SwappedFrames::find(PageIndex first, PageIndex last) const {
  Found found;
  found.first = first;
  for (PageIndex page = first; page < last; ++page) {
    const Place* place = slots_.find(page);
    if (place == nullptr) break;
    found.slots_.push_back(place->slot);
    found.stamps_.push_back(place->stamp);
  }
  if (found.slots_.empty()) return found;
  found.slots_.resize(swap_->together(found.slots_));
  found.stamps_.resize(found.slots_.size());
  return found;
}

Result<void> SwappedFrames::fetch(const Found& found, std::byte* to) const { return swap_->get(found.slots_, to); }

PageIndex SwappedFrames::still_out(const Found& found) const {
  PageIndex count = 0;
  for (; count < found.pages(); ++count) {
    const Place* place = slots_.find(found.first + count);
    if (place == nullptr || place->stamp != found.stamps_[count]) break;
  }
  return count;
}

}  // namespace pagefold::reclaim
