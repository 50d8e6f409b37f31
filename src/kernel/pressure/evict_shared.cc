// Taking pages of shared anonymous memory away, as private ones (evict_private.cc): stores are held back by write protection in every
// space that shows the page, the contents are copied and written to the swap while the programs go on, and the frames of those that
// nobody stored to meanwhile are released. Who maps a page that is on its way says so (SwappedFrames::stay()).
//
// Locks: Space::mutex of all spaces, each with patience; then SharedObject::mutex. Who cannot wait for them a second time holds
// them throughout; who does not get them a second time leaves the pages where they are.
#include "kernel/pressure/evict.h"
#include "kernel/sync/host_plan.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

using reclaim::Departure;
using reclaim::Kept;
using reclaim::Owner;
using reclaim::Patience;
using reclaim::Refusal;

class SharedPages final : public Owner {
 public:
  SharedPages(Supervisor& supervisor, const std::shared_ptr<frame::SharedObject>& shared,
              reclaim::SwappedFrames* frames)
      : supervisor_(supervisor), shared_(shared), frames_(frames) {}
  [[nodiscard]] Kind kind() const override { return Kind::Shared; }

  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience patience) override {
    const auto shared = shared_.lock();
    if (!shared) return keep_all(pages, Refusal::Gone);
    if (frames_->swap_full()) return keep_all(pages, Refusal::SwapFull);
    Departure departure(pages.size());
    std::vector<Kept> kept;
    Locks locks(supervisor_, *shared);
    if (!locks.take(patience)) return keep_all(pages, Refusal::Busy);
    for (const PageIndex page : pages)
      if (const auto why = let_leave(locks, page, departure)) kept.push_back({page, *why});
    if (departure.pages().empty()) return kept;
    if (patience == Patience::Wait) locks.release();
    frames_->store(departure);
    if (patience == Patience::Wait && !locks.take(patience))
      stay(*shared, departure, kept);
    else
      finish(locks, departure, kept);
    return kept;
  }

 private:
  // Every space that may have such a page in its page tables, and the object.
  class Locks {
   public:
    Locks(Supervisor& supervisor, frame::SharedObject& shared) : supervisor_(supervisor), shared_(shared) {}
    ~Locks() { release(); }
    Locks(const Locks&) = delete;
    Locks& operator=(const Locks&) = delete;
    bool take(Patience patience) {
      spaces_ = supervisor_.guests().spaces();
      for (const SpaceRef& space : spaces_) {
        std::unique_lock lock(space->mutex, std::defer_lock);
        if (!lock_within_patience(lock, patience)) return release(), false;
        space->evicting = true;
        held_.push_back(std::move(lock));
      }
      if (shared_.any_pinned())
        for (const SpaceRef& space : spaces_) space->in_flight.settle(*space);
      for (const SpaceRef& space : spaces_)
        for (const auto& [start, v] : space->map.all())
          if (v.object.get() == &shared_) mappings_.push_back({space.get(), &v});
      object_ = std::unique_lock(shared_.mutex);
      return true;
    }
    void release() {
      mappings_.clear();
      if (object_) object_.unlock();
      for (std::size_t i = 0; i < held_.size(); ++i) spaces_[i]->evicting = false;
      held_.clear();
    }
    [[nodiscard]] const frame::SharedObject& shared() const { return shared_; }
    struct Mapping {
      const Space* space;
      const vm::Vma* vma;
    };
    [[nodiscard]] const std::vector<Mapping>& mappings() const { return mappings_; }

   private:
    Supervisor& supervisor_;
    frame::SharedObject& shared_;
    std::vector<SpaceRef> spaces_;
    std::vector<std::unique_lock<std::mutex>> held_;  // of the first of them
    std::vector<Mapping> mappings_;                   // of the object
    std::unique_lock<std::mutex> object_;
  };

  // Whether a page may go, and where programs see it.
  struct Place {
    const Space* space;
    VirtRange range;
  };
  struct Spot {
    std::optional<Refusal> refusal;
    std::vector<Place> mapped;
  };

  Spot look(const Locks& locks, PageIndex page) const {
    Spot spot;
    if (!frames_->has_frame(page)) spot.refusal = Refusal::Gone;
    if (locks.shared().pinned(page)) spot.refusal = Refusal::Pinned;
    for (const auto& [space, v] : locks.mappings()) {
      if (page < page_of(v->offset) || page - page_of(v->offset) >= v->range.pages()) continue;
      if (v->locked) spot.refusal = Refusal::Pinned;
      const VirtAddr at = v->range.start + (bytes_of(page) - v->offset);
      const pmap::HostPiece* here = space->host.find(at);
      if (here != nullptr && here->same_source(wanted(*v))) spot.mapped.push_back({space, {at, at + kPageSize}});
    }
    return spot;
  }

  static void allow_stores(const Spot& spot) {
    for (const Place& place : spot.mapped) (void)place.space->uffd.allow_writes(place.range);
  }

  std::optional<Refusal> let_leave(const Locks& locks, PageIndex page, Departure& departure) {
    const Spot spot = look(locks, page);
    if (spot.refusal) return spot.refusal;
    if (frames_->leaves(page)) return Refusal::Busy;
    for (const Place& place : spot.mapped) {
      if (place.space->uffd.write_protect(place.range)) continue;
      allow_stores(spot);
      return Refusal::Failed;
    }
    frames_->leave(page, page + 1, departure);
    return std::nullopt;
  }

  // The departure is stored, or could not be.
  void finish(const Locks& locks, const Departure& departure, std::vector<Kept>& kept) {
    std::vector<PageIndex> gone;
    const auto keep = [&](PageIndex page, const Spot& spot, Refusal why) {
      kept.push_back({page, why});
      allow_stores(spot);
    };
    for (std::size_t i = 0; i < departure.pages().size(); ++i) {
      const PageIndex page = departure.pages()[i];
      const Spot now = look(locks, page);
      if (now.refusal) frames_->stay(page, page + 1);
      if (const auto left = frames_->gone(departure, i))
        gone.push_back(page);
      else
        keep(page, now, now.refusal ? *now.refusal : refusal_of(left.error().code));
    }
    each_run(gone, [&](PageIndex first, PageIndex last) {
      if (frames_->release_frames(first, last)) return;
      for (PageIndex page = first; page < last; ++page) keep(page, look(locks, page), Refusal::Failed);
    });
  }

  // Some space is busy. Where stores are held back, the next one lifts that.
  void stay(frame::SharedObject& shared, const Departure& departure, std::vector<Kept>& kept) {
    const std::lock_guard lock(shared.mutex);
    for (std::size_t i = 0; i < departure.pages().size(); ++i) {
      const PageIndex page = departure.pages()[i];
      frames_->stay(page, page + 1);
      (void)frames_->gone(departure, i);
      kept.push_back({page, Refusal::Busy});
    }
  }

  Supervisor& supervisor_;
  std::weak_ptr<frame::SharedObject> shared_;
  reclaim::SwappedFrames* frames_;  // it owns this
};

}  // namespace

std::shared_ptr<Owner> shared_pages(Supervisor& supervisor, const std::shared_ptr<frame::SharedObject>& shared,
                                    reclaim::SwappedFrames* frames) {
  return std::make_shared<SharedPages>(supervisor, shared, frames);
}

}  // namespace pagefold::kernel
