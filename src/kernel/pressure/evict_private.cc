// Taking private pages away. Stores are held back by write protection; the contents are copied and written to the swap while the
// program goes on; then the frames are released, which unmaps them everywhere, but for those of pages that a program
// stored to meanwhile, or that may not go any more (SwappedFrames::stay()).
// Copies of a file's page that nobody has stored into are just dropped: the next touch asks the file again.
//
// Locks: Space::mutex, then the family's, for a few pages at a time, so that faults get through between. Who cannot wait for
// them a second time holds them throughout. A layer whose space is gone still has heirs, and its pages go without the former.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kernel/pressure/evict.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

using reclaim::Kept;
using reclaim::Owner;
using reclaim::Patience;
using reclaim::Refusal;

class PrivatePages final : public Owner {
 public:
  PrivatePages(const SpaceRef& space, Supervisor& supervisor)
      : supervisor_(supervisor), space_(space), layer_(space->layer), frames_(space->swapped.get()) {}
  [[nodiscard]] Kind kind() const override { return Kind::Private; }

  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience patience) override {
    const auto layer = layer_.lock();
    if (!layer) return keep_all(pages, Refusal::Gone);
    if (frames_->swap_full() && !any_mirror(*layer, pages)) return keep_all(pages, Refusal::SwapFull);
    const SpaceRef space = space_.lock();
    Locks locks(space.get(), *layer);
    if (!locks.take(patience)) return keep_all(pages, Refusal::Busy);
    if (space != nullptr && layer->any_pinned()) space->in_flight.settle(*space);
    Leaving leaving(pages.size());
    std::vector<Kept> kept;
    PageIndex at_once = 0;
    each_run(pages, [&](PageIndex first, PageIndex last) {
      for (PageIndex to = first; first < last; first = to) {
        to = std::min(last, first + kAtATime - at_once);
        evict_run(space.get(), *layer, first, to, leaving, kept);
        at_once = (at_once + to - first) % kAtATime;
        if (at_once == 0 && patience == Patience::Wait) locks.let_others_in();
      }
    });
    if (leaving.departure.pages().empty()) return kept;
    if (patience == Patience::Wait) locks.release();
    frames_->store(leaving.departure);
    if (patience == Patience::Wait) locks.take();
    for (std::size_t from = 0; from < leaving.mapped.size(); from += kAtATime) {
      if (from > 0 && patience == Patience::Wait) locks.let_others_in();
      finish(space.get(), *layer, leaving, from, std::min(leaving.mapped.size(), from + kAtATime), kept);
    }
    return kept;
  }

  // Pages that are guarded, by fork or because they follow a file, keep their place in the page tables: the guard is there.
  std::vector<PageIndex> watch(const std::vector<PageIndex>& pages) override {
    const auto layer = layer_.lock();
    const SpaceRef space = space_.lock();
    if (!layer || !space) return {};
    std::unique_lock lock(space->mutex, std::defer_lock);
    if (!lock_within_patience(lock, Patience::Wait) || space->state != Space::State::Running || space->fork_child)
      return {};
    std::vector<PageIndex> watched;
    std::vector<VirtRange> ranges;
    {
      const std::lock_guard family(layer->mutex());
      for (const PageIndex page : pages) {
        const Spot spot = look(space.get(), page);
        if (spot.refusal || !spot.mapped || layer->guarded().test(page) || layer->mirrors().test(page)) continue;
        watched.push_back(page);
        const VirtRange here{*spot.mapped, *spot.mapped + kPageSize};
        if (!ranges.empty() && ranges.back().end == here.start)
          ranges.back().end = here.end;
        else
          ranges.push_back(here);
      }
    }
    return unmap(supervisor_, *space, ranges) ? watched : std::vector<PageIndex>{};
  }

 private:
  static constexpr PageIndex kAtATime = 16;  // some tens of microseconds under the locks

  class Locks {
   public:
    Locks(Space* space, const vm::Layer& layer) : space_(space), family_(layer.mutex(), std::defer_lock) {
      if (space != nullptr) lock_ = std::unique_lock(space->mutex, std::defer_lock);
    }
    ~Locks() {
      if (family_) release();
    }
    Locks(const Locks&) = delete;
    Locks& operator=(const Locks&) = delete;
    bool take(Patience patience) {
      if (space_ != nullptr && !lock_within_patience(lock_, patience)) return false;
      taken();
      return true;
    }
    void take() {
      if (space_ != nullptr) lock_.lock();
      taken();
    }
    void release() {
      family_.unlock();
      if (space_ == nullptr) return;
      space_->evicting = false;
      lock_.unlock();
    }
    void let_others_in() {
      release();
      std::this_thread::yield();
      take();
    }

   private:
    void taken() {
      if (space_ != nullptr) {
        space_->evicting = true;
        space_->forget_exited();
      }
      family_.lock();
    }
    Space* space_;
    std::unique_lock<std::mutex> lock_, family_;
  };

  // Pages on their way, and where each is mapped.
  struct Leaving {
    explicit Leaving(std::size_t most) : departure(most) {}
    reclaim::Departure departure;
    std::vector<std::optional<VirtAddr>> mapped;
  };

  static bool any_mirror(const vm::Layer& layer, const std::vector<PageIndex>& pages) {
    const std::lock_guard family(layer.mutex());
    return std::any_of(pages.begin(), pages.end(), [&](PageIndex page) { return layer.mirrors().test(page); });
  }
  // The agent drops the page-table entries; the memfd keeps the pages.
  static bool unmap(Supervisor& supervisor, Space& space, const std::vector<VirtRange>& ranges) {
    for (std::size_t from = 0; from < ranges.size();) {
      const std::size_t count = std::min<std::size_t>(ranges.size() - from, stub::kCommands);
      if (!space.agent.wait_idle()) return false;
      for (std::size_t i = 0; i < count; ++i)
        space.area->commands[i] = {
            SYS_madvise, {ranges[from + i].start, ranges[from + i].size(), MADV_DONTNEED, 0, 0, 0}, 0, 0};
      if (!space.agent.run(supervisor.listener(), count)) return false;
      from += count;
    }
    return true;
  }

  // A page on its way: whether it may go, and where programs see it.
  struct Spot {
    std::optional<Refusal> refusal;
    std::optional<VirtAddr> mapped;
  };

  Spot look(const Space* space, PageIndex page) const {
    if (!frames_->has_frame(page)) return {Refusal::Gone, {}};
    if (space == nullptr || space->state != Space::State::Running) return {};
    const auto at = address_of(*space, page);
    if (!at) return {Refusal::Pinned, {}};
    const auto& [v, address] = *at;
    if (v->locked || is_kept_for_exit(*space, address) || space->layer->pinned(page)) return {Refusal::Pinned, {}};
    // Where the host lags behind the model nothing is mapped.
    const pmap::HostPiece* here = space->host.find(address);
    const bool mapped = here != nullptr && here->kind == pmap::HostPiece::Kind::Layer &&
                        here->offset + (address - here->range.start) == bytes_of(page);
    return {{}, mapped ? std::optional(address) : std::nullopt};
  }

  // A layer's page lies at its own address, unless its mapping was moved.
  static std::optional<std::pair<const vm::Vma*, VirtAddr>> address_of(const Space& space, PageIndex page) {
    const auto shows = [page](const vm::Vma& v) {
      return v.layered && page >= page_of(v.layer) && page - page_of(v.layer) < v.range.pages();
    };
    const Bytes offset = bytes_of(page);
    if (const vm::Vma* v = offset < kUserTop ? space.map.find(offset) : nullptr;
        v != nullptr && v->layer == v->range.start && shows(*v))
      return std::pair{v, VirtAddr{offset}};
    for (const auto& [start, v] : space.map.all())
      if (shows(v)) return std::pair{&v, v.range.start + (offset - v.layer)};
    return std::nullopt;
  }

  static bool is_kept_for_exit(const Space& space, VirtAddr at) {
    return std::any_of(space.exiting.begin(), space.exiting.end(),
                       [at](const auto& thread) { return thread.kept.contains(at); });
  }

  void evict_run(const Space* space, vm::Layer& layer, PageIndex first, PageIndex last, Leaving& leaving,
                 std::vector<Kept>& kept) {
    for (PageIndex page = first; page < last;) {
      const bool mirror = layer.mirrors().test(page);
      const Spot spot = look(space, page);
      if (spot.refusal || frames_->leaves(page)) {
        kept.push_back({page++, spot.refusal ? *spot.refusal : Refusal::Busy});
        continue;
      }
      PageIndex end = page + 1;
      for (; end < last; ++end) {
        const Spot next = look(space, end);
        if (next.refusal || frames_->leaves(end) || next.mapped.has_value() != spot.mapped.has_value()) break;
        if (layer.mirrors().test(end) != mirror) break;
        if (spot.mapped && *next.mapped != *spot.mapped + bytes_of(end - page)) break;
      }
      if (mirror)
        frames_->evict_by([&] { (void)layer.drop_mirrors(page, end); });  // nobody has stored into them: the file has them
      else
        let_leave(space, page, end, spot.mapped, leaving, kept);
      page = end;
    }
  }

  void let_leave(const Space* space, PageIndex page, PageIndex end, std::optional<VirtAddr> at, Leaving& leaving,
                 std::vector<Kept>& kept) {
    const auto keep = [&](Refusal why) {
      for (; page < end; ++page) kept.push_back({page, why});
    };
    if (frames_->swap_full()) return keep(Refusal::SwapFull);
    const VirtRange r = at ? VirtRange{*at, *at + bytes_of(end - page)} : VirtRange{};
    if (at && !space->uffd.write_protect(r)) return keep(Refusal::Failed);
    frames_->leave(page, end, leaving.departure);
    for (PageIndex p = page; p < end; ++p)
      leaving.mapped.push_back(at ? std::optional(*at + bytes_of(p - page)) : std::nullopt);
  }

  // Pages [first, last) of the departure are stored, or could not be.
  void finish(const Space* space, const vm::Layer& layer, const Leaving& leaving, std::size_t first, std::size_t last,
              std::vector<Kept>& kept) {
    std::vector<PageIndex> gone;
    for (std::size_t i = first; i < last; ++i) {
      const PageIndex page = leaving.departure.pages()[i];
      const Spot now = look(space, page);
      const bool as_it_was = now.mapped == leaving.mapped[i];
      if (now.refusal || !as_it_was) frames_->stay(page, page + 1);
      const auto left = frames_->gone(leaving.departure, i);
      if (left) {
        gone.push_back(page);
        continue;
      }
      kept.push_back({page, now.refusal ? *now.refusal : refusal_of(left.error().code)});
      if (space != nullptr && now.mapped && as_it_was) allow_stores(*space, layer, page, *now.mapped);
    }
    each_run(gone, [&](PageIndex from, PageIndex to) {
      if (frames_->release_frames(from, to)) return;
      for (std::size_t i = first; i < last; ++i) {
        const PageIndex page = leaving.departure.pages()[i];
        if (page < from || page >= to) continue;
        kept.push_back({page, Refusal::Failed});
        if (leaving.mapped[i]) allow_stores(*space, layer, page, *leaving.mapped[i]);
      }
    });
  }

  static void allow_stores(const Space& space, const vm::Layer& layer, PageIndex page, VirtAddr at) {
    if (!layer.guarded().test(page) && !layer.mirrors().test(page)) (void)space.uffd.allow_writes({at, at + kPageSize});
  }

  Supervisor& supervisor_;
  std::weak_ptr<Space> space_;
  std::weak_ptr<vm::Layer> layer_;
  reclaim::SwappedFrames* frames_;  // it owns this
};

}  // namespace

std::shared_ptr<Owner> private_pages(Supervisor& supervisor, const SpaceRef& space) {
  return std::make_shared<PrivatePages>(space, supervisor);
}

}  // namespace pagefold::kernel
