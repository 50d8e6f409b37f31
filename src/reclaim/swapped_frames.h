// Frames that may be out: a FrameSource on top of another, in which each page that was ever filled has either a frame
// or a slot of the swap. Reading, writing and releasing work on both alike, so layers (vm/layer.h) - their forks,
// pushes and pulls - need not know which; only who maps a page asks is_out() first.
//
// A page written by the supervisor where the limit leaves no room goes to the swap at once: nobody has touched it.
//
// The medium may be slow, so pages go and come in steps, and the lock is not held in the one that waits for it:
//   leave() - store() - gone()      out: a page that changes meanwhile (stay(), write, release) keeps its frame
//   find() - fetch() - still_out()  in: a slot that was given up meanwhile says so; the caller tries again
//
// Who fills frames behind its back (a page fault does) says so with filled(). Protected by the owner's lock: that of
// the layer's family, or of the shared object; store() and fetch() want none.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/scratch.h"
#include "reclaim/neighbourhood.h"
#include "reclaim/page_map.h"
#include "reclaim/reclaimer.h"
#include "reclaim/swap.h"
#include "vm/frame_source.h"
#include "vm/page_set.h"

namespace pagefold::reclaim {

// Pages on their way to the swap.
class Departure {
 public:
  explicit Departure(std::size_t most) : contents_(make_page_block(bytes_of(most))) {}
  [[nodiscard]] const std::vector<PageIndex>& pages() const { return pages_; }

 private:
  friend class SwappedFrames;
  std::uint64_t stamp_ = 0;
  std::vector<PageIndex> pages_;  // ascending
  PageBlock contents_;
  std::vector<SwapSlot> slots_;  // of the first of them, as many as were stored
  Error why_not_;                // the others were not
};

// Where the contents of [first, first + pages()) were found; each place with the time it was taken.
class Found {
 public:
  PageIndex first = 0;
  [[nodiscard]] PageIndex pages() const { return slots_.size(); }

 private:
  friend class SwappedFrames;
  std::vector<SwapSlot> slots_;
  std::vector<std::uint64_t> stamps_;
};

class SwappedFrames final : public vm::FrameSource {
 public:
  SwappedFrames(std::shared_ptr<vm::FrameSource> frames, Reclaimer& reclaimer, SwapBackend* swap)
      : frames_(std::move(frames)), reclaimer_(reclaimer), swap_(swap) {}
  ~SwappedFrames() override;
  // Before anything else: as whom the reclaimer knows these frames.
  void set_owner(OwnerId id, std::shared_ptr<Owner> owner) {
    id_ = id;
    owner_ = std::move(owner);
  }

  Result<void> read(Bytes offset, void* to, Bytes length) const override;
  Result<void> write(Bytes offset, const void* from, Bytes length) override;
  Result<void> release(Bytes offset, Bytes length) override;
  void touched(PageIndex page) override { reclaimer_.touched(id_, page); }
  void filled(PageIndex first, PageIndex last, vm::FillReason reason) override;
  [[nodiscard]] PageIndex next_out(PageIndex first, PageIndex last) const override { return out_.next(first, last); }
  [[nodiscard]] PageIndex out() const override { return out_.count(); }
  [[nodiscard]] PageIndex out(PageIndex first, PageIndex last) const override { return out_.count_range(first, last); }

  // Nothing more can be swapped out at present.
  [[nodiscard]] bool swap_full() const { return swap_ == nullptr || swap_->full(); }
  [[nodiscard]] bool has_frame(PageIndex page) const { return in_.test(page); }

  // [first, last), all of which have frames that nobody can store to, leave, as long as they are not told to stay: who lets a
  // store to one of them through tells it before. All pages of a departure belong to these frames.
  void leave(PageIndex first, PageIndex last, Departure& departure);
  [[nodiscard]] bool leaves(PageIndex page) const { return leaving_.contains(page); }
  // Copies and stores what left, as far as the swap has room. What changes meanwhile stays, so half a copy of it is no harm.
  void store(Departure& departure) const;
  // Ends the departure of one of its pages, by its index in pages(): its contents are in the swap, and its frame is no longer
  // counted; it must be released. Else the reason: it stayed (EBUSY), or was not stored.
  Result<void> gone(const Departure& departure, std::size_t index);
  // Releases frames of pages that are gone. If that fails they have not gone after all, and keep their frames.
  Result<void> release_frames(PageIndex first, PageIndex last);
  void stay(PageIndex first, PageIndex last) override;

  // How many pages from this one on, which is out and was touched, should come back with it.
  PageIndex missed(PageIndex page) { return neighbourhood_.missed(page); }
  // Pages from `first` on that are out, as many before `last` as one access to the swap fetches.
  [[nodiscard]] Found find(PageIndex first, PageIndex last) const;
  Result<void> fetch(const Found& found, std::byte* to) const;
  // How many of them, from the first on, are still where they were found.
  [[nodiscard]] PageIndex still_out(const Found& found) const;

  // What `drop` releases is evicted: whoever needs it again has it from elsewhere.
  template <class Drop>
  void evict_by(Drop&& drop) {
    evicting_ = true;
    drop();
    evicting_ = false;
  }

 private:
  Result<void> write_page(PageIndex page, Bytes within, const void* from, Bytes length);
  Result<void> store_out(PageIndex page, const std::byte* contents);
  Result<void> copy(Departure& departure) const;
  void drop(PageIndex page);
  void put_in(PageIndex page, SwapSlot slot);
  void forget_dropped(PageIndex first, PageIndex last);

  std::shared_ptr<vm::FrameSource> frames_;
  Reclaimer& reclaimer_;
  SwapBackend* swap_;  // null: none
  OwnerId id_ = 0;
  std::shared_ptr<Owner> owner_;  // lives as long as the frames do
  vm::PageSet in_, out_;          // disjoint
  vm::PageSet dropped_;           // by evict_by()
  bool evicting_ = false;
  struct Place {
    SwapSlot slot = 0;
    std::uint64_t stamp = 0;
  };
  PageMap<Place> slots_;
  Neighbourhood neighbourhood_;
  std::unordered_map<PageIndex, std::uint64_t> leaving_;  // with the stamp of their departure
  std::uint64_t next_stamp_ = 1;
};

}  // namespace pagefold::reclaim
