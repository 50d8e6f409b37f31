#include "kernel/space.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>

#include "kernel/sync/host_plan.h"
#include "kernel/pressure/pressure.h"
#include "kernel/workers.h"

namespace pagefold::kernel {

Result<AreaView> AreaView::map(const frame::Store& store) {
  void* at = ::mmap(nullptr, stub::kAreaSize, PROT_READ | PROT_WRITE, MAP_SHARED, store.fd(), stub::kAreaOffset);
  if (at == MAP_FAILED) return fail_errno("map a guest's shared area");
  AreaView view;
  view.area_ = static_cast<stub::Area*>(at);
  return view;
}

AreaView::~AreaView() {
  if (area_ != nullptr) ::munmap(area_, stub::kAreaSize);
}

Space::Space() = default;
Space::~Space() = default;

bool Space::has_several_threads() const {
  if (lent_to_processes) return true;
  struct stat tasks {};  // as many links as it has threads, and two
  return ::stat(fmt::format("/proc/{}/task", pid).c_str(), &tasks) != 0 || tasks.st_nlink > 3;
}

Result<SpaceRef> Space::create(pid_t pid) {
  auto space = std::make_shared<Space>();
  space->pid = pid;
  space->store = PAGEFOLD_TRY(frame::Store::create("pagefold-private", stub::kStoreSize));
  if (Pressure* limit = pressure())
    space->swapped = std::make_shared<reclaim::SwappedFrames>(space->store, limit->reclaimer(), limit->swap());
  space->layer = std::make_shared<vm::Layer>(space->frames());
  space->area = PAGEFOLD_TRY(AreaView::map(*space->store));
  if (::getrandom(&space->token, sizeof space->token, 0) != sizeof space->token) return fail_errno("getrandom");
  space->area->token = space->token;
  return space;
}

std::shared_ptr<vm::FrameSource> Space::frames() const {
  if (swapped) return swapped;
  return store;
}

void Space::forget_exited() {
  std::erase_if(exiting, [](const Exiting& e) { return ::syscall(SYS_tgkill, e.group, e.thread, 0) != 0; });
}

bool Space::in_background(VirtRange r) const {
  return std::any_of(background.begin(), background.end(), [r](VirtRange b) { return b.contains(r); });
}

bool Space::is_lent(VirtRange r) const {
  return std::any_of(lent.begin(), lent.end(), [r](VirtRange l) { return l.overlaps(r); });
}

void Space::wait_for_fork(std::unique_lock<std::mutex>& lock, pid_t caller) {
  constexpr std::chrono::milliseconds kPatience{500};
  if (caller != 0 && caller == fork_caller) fork_child.reset();
  if (!fork_child) return;
  Workers::about_to_wait();
  if (!fork_done.wait_for(lock, kPatience, [this] { return !fork_child || state == State::Dead; })) fork_child.reset();
}

Bytes Space::choose_layer(VirtRange r) {
  if (!is_lent(r)) return r.start;
  const Bytes spare = next_spare_layer;
  next_spare_layer += r.size();
  return spare;
}

void Space::lend_layer(const vm::Vma& v) {
  take_back({v.layer, v.layer + v.range.size()});
  if (v.layer != v.range.start && v.layer < kUserTop) lent.push_back({v.layer, v.layer + v.range.size()});
}

void Space::reclaim_layer(const vm::Vma& v) {
  if (v.layer != v.range.start) take_back({v.layer, v.layer + v.range.size()});
}

void Space::take_back(VirtRange used) {
  std::vector<VirtRange> kept;
  for (const VirtRange l : lent) {
    if (!l.overlaps(used)) {
      kept.push_back(l);
      continue;
    }
    if (l.start < used.start) kept.push_back({l.start, used.start});
    if (used.end < l.end) kept.push_back({used.end, l.end});
  }
  lent = std::move(kept);
}

void Space::check_invariants() const {
  map.check_invariants();
  host.check_invariants();
  const std::lock_guard lock(layer->mutex());
  layer->check_invariants();
  // Every frame belongs to a mapping.
  PageIndex owned = 0;
  for (const auto& [start, v] : map.all())
    if (v.layered) owned += layer->present().count_range(page_of(v.layer), page_of(v.layer + v.range.size()));
  assert(owned == layer->present().count());
  (void)owned;
}

}  // namespace pagefold::kernel
