// Taking pages of shared anonymous memory away: as private ones, with every space that may have such a page in its page
// tables held still.
//
// Locks: Space::mutex of all spaces, each with patience; then SharedObject::mutex.
#include "kernel/pressure/evict.h"
#include "kernel/sync/host_plan.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

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

  // Every space that may have such a page in its page tables is held still.
  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience patience) override {
    const auto shared = shared_.lock();
    if (!shared) return keep_all(pages, Refusal::Gone);
    if (frames_->swap_full()) return keep_all(pages, Refusal::SwapFull);
    const std::vector<SpaceRef> spaces = supervisor_.guests().spaces();
    std::vector<std::unique_lock<std::mutex>> locks;
    for (const SpaceRef& space : spaces) {
      locks.emplace_back(space->mutex, std::defer_lock);
      if (!lock_within_patience(locks.back(), patience)) return keep_all(pages, Refusal::Busy);
    }
    if (shared->any_pinned())
      for (const SpaceRef& space : spaces) space->in_flight.settle(*space);
    const std::lock_guard lock(shared->mutex);
    std::vector<Kept> kept;
    for (const PageIndex page : pages)
      if (const auto why = evict(*shared, spaces, page)) kept.push_back({page, *why});
    return kept;
  }

 private:
  struct Mapped {
    const Space* space;
    VirtRange range;
  };

  std::optional<Refusal> evict(const frame::SharedObject& shared, const std::vector<SpaceRef>& spaces,
                               PageIndex page) const {
    if (!frames_->has_frame(page)) return Refusal::Gone;
    if (shared.pinned(page)) return Refusal::Pinned;
    std::vector<Mapped> mapped;
    for (const SpaceRef& space : spaces) {
      for (const auto& [start, v] : space->map.all()) {
        if (v.object.get() != &shared || page < page_of(v.offset) || page - page_of(v.offset) >= v.range.pages())
          continue;
        if (v.locked) return Refusal::Pinned;
        const VirtAddr at = v.range.start + (bytes_of(page) - v.offset);
        const pmap::HostPiece* here = space->host.find(at);
        if (here != nullptr && here->same_source(wanted(v))) mapped.push_back({space.get(), {at, at + kPageSize}});
      }
    }
    const auto evicted = hold_stores_back(mapped) ? frames_->swap_out(page, page + 1) : Result<PageIndex>(fail(EIO));
    if (evicted) return std::nullopt;
    for (const Mapped& m : mapped) (void)m.space->uffd.allow_writes(m.range);
    return evicted.error().code == ENOSPC ? Refusal::SwapFull : Refusal::Failed;
  }

  static bool hold_stores_back(const std::vector<Mapped>& mapped) {
    return std::all_of(mapped.begin(), mapped.end(),
                       [](const Mapped& m) { return m.space->uffd.write_protect(m.range).has_value(); });
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
