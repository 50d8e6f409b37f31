#include "kernel/pressure/pressure.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "kernel/sync/host_sync.h"
#include "kernel/supervisor.h"
#include "report/units.h"

namespace pagefold::kernel {
namespace {

using reclaim::Kept;
using reclaim::Owner;
using reclaim::Patience;
using reclaim::Refusal;

std::unique_ptr<Pressure> g_pressure;

// How long an eviction waits for a space whose lock somebody holds, before it tries others.
constexpr std::chrono::milliseconds kLockPatience{20};

bool lock_within_patience(std::unique_lock<std::mutex>& lock, Patience patience) {
  const auto give_up_at = std::chrono::steady_clock::now() + kLockPatience;
  while (!lock.try_lock()) {
    if (patience == Patience::NoWait || std::chrono::steady_clock::now() > give_up_at) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

std::vector<Kept> keep_all(const std::vector<PageIndex>& pages, Refusal why) {
  std::vector<Kept> kept;
  for (const PageIndex page : pages) kept.push_back({page, why});
  return kept;
}

// ---- private pages

class PrivatePages final : public Owner {
 public:
  PrivatePages(const SpaceRef& space, Supervisor& supervisor)
      : supervisor_(supervisor), space_(space), layer_(space->layer), frames_(space->swapped.get()) {}
  [[nodiscard]] Kind kind() const override { return Kind::Private; }

  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience patience) override {
    const auto layer = layer_.lock();
    if (!layer) return keep_all(pages, Refusal::Gone);
    if (frames_->swap_full()) return keep_all(pages, Refusal::SwapFull);
    const SpaceRef space = space_.lock();
    std::unique_lock<std::mutex> lock;
    if (space) {
      lock = std::unique_lock(space->mutex, std::defer_lock);
      if (!lock_within_patience(lock, patience)) return keep_all(pages, Refusal::Busy);
      space->forget_exited();
    }
    const std::lock_guard family(layer->mutex());
    std::vector<Kept> kept;
    for (std::size_t i = 0; i < pages.size();) {
      std::size_t end = i + 1;
      while (end < pages.size() && pages[end] == pages[end - 1] + 1) ++end;
      evict_run(space.get(), *layer, pages[i], pages[end - 1] + 1, kept);
      i = end;
    }
    return kept;
  }

  // Pages that fork has guarded keep their place in the page tables: the guard is there.
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
        if (spot.refusal || !spot.mapped || layer->guarded().test(page)) continue;
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
    if (v->locked || is_kept_for_exit(*space, address)) return {Refusal::Pinned, {}};
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

  void evict_run(const Space* space, const vm::Layer& layer, PageIndex first, PageIndex last, std::vector<Kept>& kept) {
    for (PageIndex page = first; page < last;) {
      const Spot spot = look(space, page);
      if (spot.refusal) {
        kept.push_back({page++, *spot.refusal});
        continue;
      }
      PageIndex end = page + 1;
      for (; end < last; ++end) {
        const Spot next = look(space, end);
        if (next.refusal || next.mapped.has_value() != spot.mapped.has_value()) break;
        if (spot.mapped && *next.mapped != *spot.mapped + bytes_of(end - page)) break;
      }
      evict_together(space, layer, page, end, spot.mapped, kept);
      page = end;
    }
  }

  void evict_together(const Space* space, const vm::Layer& layer, PageIndex page, PageIndex end,
                      std::optional<VirtAddr> at, std::vector<Kept>& kept) {
    const VirtRange r = at ? VirtRange{*at, *at + bytes_of(end - page)} : VirtRange{};
    if (at && !space->uffd.write_protect(r)) {
      for (; page < end; ++page) kept.push_back({page, Refusal::Failed});
      return;
    }
    const auto reached = frames_->swap_out(page, end);
    const PageIndex stays = reached ? *reached : page;
    const Refusal why = !reached && reached.error().code != ENOSPC ? Refusal::Failed : Refusal::SwapFull;
    for (PageIndex p = stays; p < end; ++p) {
      kept.push_back({p, why});
      const VirtAddr here = r.start + bytes_of(p - page);
      if (at && !layer.guarded().test(p)) (void)space->uffd.allow_writes({here, here + kPageSize});
    }
  }

  Supervisor& supervisor_;
  std::weak_ptr<Space> space_;
  std::weak_ptr<vm::Layer> layer_;
  reclaim::SwappedFrames* frames_;  // it owns this
};

// ---- pages of files

class FilePages final : public Owner, public vm::FrameListener {
 public:
  FilePages(reclaim::Reclaimer& reclaimer, const std::shared_ptr<cache::FileObject>& file)
      : reclaimer_(reclaimer), file_(file) {}
  ~FilePages() override { reclaimer_.remove(id_); }
  void set_id(reclaim::OwnerId id) { id_ = id; }

  [[nodiscard]] Kind kind() const override { return Kind::File; }

  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience) override {
    const auto file = file_.lock();
    if (!file) return keep_all(pages, Refusal::Gone);
    std::vector<Kept> kept;
    for (const PageIndex page : pages)
      if (file->evict(page, page + 1) == 0) kept.push_back({page, Refusal::Gone});
    return kept;
  }

  void came(PageIndex first, PageIndex last) override {
    reclaimer_.came(id_, first, last, reclaim::Coming::Ahead);
    if (evicted_.clear_range(first, last) > 0) reclaimer_.refaulted(id_);
  }
  void gone(PageIndex first, PageIndex last, Why why) override {
    if (why == Why::Evicted) evicted_.set_range(first, last);
    reclaimer_.gone(id_, first, last, why == Why::Evicted ? reclaim::Going::Evicted : reclaim::Going::Freed);
  }
  void touched(PageIndex page) override { reclaimer_.touched(id_, page); }

 private:
  reclaim::Reclaimer& reclaimer_;
  std::weak_ptr<cache::FileObject> file_;
  reclaim::OwnerId id_ = 0;
  vm::PageSet evicted_;  // under the file's lock
};

// ---- shared memory

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

Pressure* pressure() { return g_pressure.get(); }
void set_pressure(std::unique_ptr<Pressure> pressure) { g_pressure = std::move(pressure); }

Result<std::unique_ptr<Pressure>> Pressure::create(const MemoryOptions& options) {
  return std::unique_ptr<Pressure>(new Pressure(options, PAGEFOLD_TRY(reclaim::make_swap(options.swap))));
}

Pressure::Pressure(const MemoryOptions& options, std::unique_ptr<reclaim::SwapBackend> swap)
    : options_(options),
      swap_(std::move(swap)),
      reclaimer_(page_of(options.limit), reclaim::make_policy(options.policy)),
      watcher_([this] {
        while (reclaimer_.wait_until_watch_is_due()) reclaimer_.watch_next();
      }) {}

void Pressure::stop() {
  reclaimer_.stop();
  if (watcher_.joinable()) watcher_.join();
}

void Pressure::adopt(Supervisor& supervisor, const SpaceRef& space) {
  const auto owner = std::make_shared<PrivatePages>(space, supervisor);
  space->swapped->set_owner(reclaimer_.add(owner, Owner::Kind::Private), owner);
}

void Pressure::adopt(Supervisor& supervisor, const std::shared_ptr<frame::SharedObject>& shared) {
  auto frames = std::make_shared<reclaim::SwappedFrames>(shared->store(), reclaimer_, swap());
  const auto owner = std::make_shared<SharedPages>(supervisor, shared, frames.get());
  frames->set_owner(reclaimer_.add(owner, Owner::Kind::Shared), owner);
  shared->set_frames(std::move(frames));
}

void Pressure::adopt(const std::shared_ptr<cache::FileObject>& file) {
  const auto pages = std::make_shared<FilePages>(reclaimer_, file);
  pages->set_id(reclaimer_.add(pages, Owner::Kind::File));
  file->set_listener(pages);
}

Result<void> Room::ask(PageIndex need, PageIndex wish, Patience patience) {
  if (g_pressure == nullptr) return {};
  reservation_.reset();
  pages_ = PAGEFOLD_TRY(g_pressure->reclaimer().make_room(need, wish, patience));
  reservation_.emplace(g_pressure->reclaimer().limit(), pages_);
  return {};
}

// ---- out of memory

namespace {

struct Share {
  std::string who;
  Bytes resident = 0, swapped = 0;
};

// The largest holders of frames and swap, most first. Locks one space at a time.
std::vector<Share> shares(Supervisor& supervisor) {
  std::vector<Share> all;
  for (const SpaceRef& space : supervisor.guests().spaces()) {
    const std::unique_lock lock(space->mutex, std::try_to_lock);
    if (!lock || !space->swapped) continue;
    const std::lock_guard family(space->layer->mutex());
    const Bytes out = bytes_of(space->swapped->out(0, ~PageIndex{0} >> kPageShift));
    const std::string name = space->program.substr(space->program.rfind('/') + 1);
    all.push_back({fmt::format("{} ({})", name, space->pid), bytes_of(space->layer->present().count()) - out, out});
  }
  Share files{"files", 0, 0};
  for (const auto& file : supervisor.files().objects()) files.resident += bytes_of(file->resident_pages());
  all.push_back(files);
  std::sort(all.begin(), all.end(),
            [](const Share& a, const Share& b) { return a.resident + a.swapped > b.resident + b.swapped; });
  return all;
}

}  // namespace

void out_of_memory(Supervisor& supervisor, Space& space) {
  Pressure& limit = *pressure();
  std::string holders;
  constexpr std::size_t kShown = 4;
  const auto all = shares(supervisor);
  for (std::size_t i = 0; i < std::min(all.size(), kShown); ++i) {
    holders += fmt::format("{}{} {}", i == 0 ? "" : ", ", all[i].who, report::human_bytes(all[i].resident));
    if (all[i].swapped > 0) holders += fmt::format(" and {} swapped out", report::human_bytes(all[i].swapped));
  }
  stats().note(fmt::format("out of memory: killed {} ({}); of {} held: {}",
                           space.program.substr(space.program.rfind('/') + 1), space.pid,
                           report::human_bytes(limit.options().limit), holders));
  supervisor.kill_space(space);
}

}  // namespace pagefold::kernel
