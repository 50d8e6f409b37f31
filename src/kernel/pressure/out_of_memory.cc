// No room, and nothing left that could go: the guest that asked is killed, and the story says in one line who held what.
#include <fmt/format.h>

#include <algorithm>

#include "kernel/pressure/evict.h"
#include "kernel/pressure/pressure.h"
#include "kernel/supervisor.h"
#include "report/units.h"

namespace pagefold::kernel {
namespace {

struct Share {
  std::string who;
  Bytes resident = 0, swapped = 0;
};

// The largest holders of frames and swap, most first. Locks one space at a time.
std::vector<Share> shares(Supervisor& supervisor) {
  std::vector<Share> all;
  for (const SpaceRef& space : supervisor.guests().spaces()) {
    std::unique_lock lock(space->mutex, std::defer_lock);
    if (!lock_within_patience(lock, reclaim::Patience::Wait) || !space->swapped) continue;
    const std::lock_guard family(space->layer->mutex());
    const Bytes out = bytes_of(space->swapped->out());
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
  if (limit.swap() != nullptr && !limit.swap()->trouble().empty()) holders += "; " + limit.swap()->trouble();
  stats().note(fmt::format("out of memory: killed {} ({}); of {} held: {}",
                           space.program.substr(space.program.rfind('/') + 1), space.pid,
                           report::human_bytes(limit.options().limit), holders));
  supervisor.kill_space(space);
}

}  // namespace pagefold::kernel
