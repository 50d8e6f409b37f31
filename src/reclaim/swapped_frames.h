// Frames that may be out: a FrameSource on top of another, in which each page that was ever filled has either a frame
// or a slot of the swap. Reading, writing and releasing work on both alike, so layers (vm/layer.h) - their forks,
// pushes and pulls - need not know which; only who maps a page asks is_out() first.
//
// A page written by the supervisor where the limit leaves no room goes to the swap at once: nobody has touched it.
//
// Who fills frames behind its back (a page fault does) says so with filled(). Protected by the owner's lock: that of
// the layer's family, or of the shared object.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "reclaim/reclaimer.h"
#include "reclaim/swap.h"
#include "vm/frame_source.h"
#include "vm/page_set.h"

namespace pagefold::reclaim {

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
  [[nodiscard]] PageIndex out(PageIndex first, PageIndex last) const override { return out_.count_range(first, last); }

  // Nothing more can be swapped out at present.
  [[nodiscard]] bool swap_full() const { return swap_ == nullptr || swap_->full(); }
  [[nodiscard]] bool has_frame(PageIndex page) const { return in_.test(page); }
  // Copies [first, last), all of which have frames that nobody can store to, to the swap and releases them. Returns how
  // far it came. ENOSPC only when it did not come anywhere.
  Result<PageIndex> swap_out(PageIndex first, PageIndex last);
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
  void drop(PageIndex page);
  void forget_dropped(PageIndex first, PageIndex last);

  std::shared_ptr<vm::FrameSource> frames_;
  Reclaimer& reclaimer_;
  SwapBackend* swap_;  // null: none
  OwnerId id_ = 0;
  std::shared_ptr<Owner> owner_;  // lives as long as the frames do
  vm::PageSet in_, out_;          // disjoint
  vm::PageSet dropped_;           // by evict_by()
  bool evicting_ = false;
  std::unordered_map<PageIndex, SwapSlot> slots_;
};

}  // namespace pagefold::reclaim
