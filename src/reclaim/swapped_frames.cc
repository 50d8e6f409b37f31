#include "reclaim/swapped_frames.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

namespace pagefold::reclaim {
namespace {

using PageBuffer = std::array<std::byte, kPageSize>;
constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;

}  // namespace

SwappedFrames::~SwappedFrames() {
  // Frames are not gone for certain before they are released: a program that is being killed may still map the store.
  in_.for_each_run(0, kEnd, [&](PageIndex first, PageIndex last) {
    (void)frames_->release(bytes_of(first), bytes_of(last - first));
    reclaimer_.gone(id_, first, last, Going::Freed);
  });
  for (const auto& [page, slot] : slots_) swap_->drop(slot);
  reclaimer_.remove(id_);
}

Result<void> SwappedFrames::read(Bytes offset, void* to, Bytes length) const {
  auto* at = static_cast<std::byte*>(to);
  while (length > 0) {
    const PageIndex page = page_of(offset);
    const Bytes within = offset & kPageMask, n = std::min(length, kPageSize - within);
    if (const auto slot = slots_.find(page); slot == slots_.end()) {
      PAGEFOLD_CHECK(frames_->read(offset, at, n));
    } else {
      PageBuffer contents;
      PAGEFOLD_CHECK(swap_->get(slot->second, contents.data()));
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
  if (in_.test(page)) return frames_->write(bytes_of(page) + within, from, length);
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
  const SwapSlot slot = PAGEFOLD_TRY(swap_->put(contents));
  drop(page);
  slots_[page] = slot;
  out_.set(page);
  return {};
}

void SwappedFrames::drop(PageIndex page) {
  const auto slot = slots_.find(page);
  if (slot == slots_.end()) return;
  swap_->drop(slot->second);
  slots_.erase(slot);
  out_.clear(page);
}

Result<void> SwappedFrames::release(Bytes offset, Bytes length) {
  const PageIndex first = page_of(offset), last = page_of(offset + length);
  if (!out_.empty())
    for (PageIndex page = out_.next(first, last); page < last; page = out_.next(page + 1, last)) {
      drop(page);
      reclaimer_.forget(id_, page);
    }
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

Result<PageIndex> SwappedFrames::swap_out(PageIndex first, PageIndex last) {
  if (swap_ == nullptr) return fail(ENOSPC, "no swap");
  PageIndex end = first;
  Error reason;
  for (; end < last; ++end) {
    PageBuffer contents;
    const Result<void> got = frames_->read(bytes_of(end), contents.data(), kPageSize);
    auto slot = got ? swap_->put(contents.data()) : Result<SwapSlot>(tl::unexpected(got.error()));
    if (!slot) {
      reason = std::move(slot).error();
      break;
    }
    slots_[end] = *slot;
  }
  if (end == first) return tl::unexpected(std::move(reason));
  PAGEFOLD_CHECK(frames_->release(bytes_of(first), bytes_of(end - first)));
  in_.clear_range(first, end);
  out_.set_range(first, end);
  reclaimer_.gone(id_, first, end, Going::Evicted);
  return end;
}

}  // namespace pagefold::reclaim
