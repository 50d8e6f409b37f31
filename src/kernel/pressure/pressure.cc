#include "kernel/pressure/pressure.h"

#include "kernel/pressure/evict.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

std::unique_ptr<Pressure> g_pressure;

}  // namespace

Pressure* pressure() { return g_pressure.get(); }
void set_pressure(std::unique_ptr<Pressure> pressure) { g_pressure = std::move(pressure); }

Result<std::unique_ptr<Pressure>> Pressure::create(const MemoryOptions& options) {
  return std::unique_ptr<Pressure>(new Pressure(options, PAGEFOLD_TRY(reclaim::make_swap(options.swap))));
}

Pressure::Pressure(const MemoryOptions& options, std::unique_ptr<reclaim::SwapBackend> swap)
    : options_(options),
      swap_(std::move(swap)),
      reclaimer_(page_of(options.limit), options.sampler != nullptr
                                             ? std::make_unique<reclaim::SamplingPolicy>(*options.sampler)
                                             : reclaim::make_policy(options.policy)),
      watcher_([this] {
        while (reclaimer_.wait_until_watch_is_due()) reclaimer_.watch_next();
      }) {
  reclaimer_.begin_evicting_ahead();
  evictor_ = std::thread([this] {
    while (reclaimer_.wait_until_room_is_due()) reclaimer_.evict_ahead();
  });
}

void Pressure::stop() {
  reclaimer_.stop();
  for (std::thread* thread : {&watcher_, &evictor_})
    if (thread->joinable()) thread->join();
}

void Pressure::adopt(Supervisor& supervisor, const SpaceRef& space) {
  const auto owner = private_pages(supervisor, space);
  space->swapped->set_owner(reclaimer_.add(owner, reclaim::Owner::Kind::Private), owner);
}

void Pressure::adopt(Supervisor& supervisor, const std::shared_ptr<frame::SharedObject>& shared) {
  auto frames = std::make_shared<reclaim::SwappedFrames>(shared->store(), reclaimer_, swap());
  const auto owner = shared_pages(supervisor, shared, frames.get());
  frames->set_owner(reclaimer_.add(owner, reclaim::Owner::Kind::Shared), owner);
  shared->set_frames(std::move(frames));
}

void Pressure::adopt(Supervisor& supervisor, const std::shared_ptr<cache::FileObject>& file) {
  const auto pages = file_pages(supervisor, reclaimer_, file);
  pages->set_id(reclaimer_.add(pages, reclaim::Owner::Kind::File));
  file->set_listener(pages);
}

Result<void> Room::ask(PageIndex need, PageIndex wish, reclaim::Patience patience) {
  if (g_pressure == nullptr) return {};
  reservation_.reset();
  pages_ = PAGEFOLD_TRY(g_pressure->reclaimer().make_room(need, wish, patience));
  reservation_.emplace(g_pressure->reclaimer().limit(), pages_);
  return {};
}

}  // namespace pagefold::kernel
