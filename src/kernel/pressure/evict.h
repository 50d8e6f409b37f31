// How frames of each kind are taken away: the owners that the Reclaimer asks (reclaim/reclaimer.h). Internal to
// pressure.cc and the three files that implement them: evict_private.cc, evict_file.cc, evict_shared.cc.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "reclaim/reclaimer.h"
#include "reclaim/swapped_frames.h"

namespace pagefold::kernel {

struct Space;
class Supervisor;

// The private pages of a space's layer; the frames own it.
std::shared_ptr<reclaim::Owner> private_pages(Supervisor& supervisor, const std::shared_ptr<Space>& space);

// The pages of a file of the page cache, and their listener; the file owns it.
class FilePages : public reclaim::Owner, public vm::FrameListener {
 public:
  // Before the first page: as whom the reclaimer knows them.
  virtual void set_id(reclaim::OwnerId id) = 0;
};
std::shared_ptr<FilePages> file_pages(Supervisor& supervisor, reclaim::Reclaimer& reclaimer,
                                      const std::shared_ptr<cache::FileObject>& file);

// The pages of shared anonymous memory; `frames` own it.
std::shared_ptr<reclaim::Owner> shared_pages(Supervisor& supervisor, const std::shared_ptr<frame::SharedObject>& shared,
                                             reclaim::SwappedFrames* frames);

// How long an eviction waits for a lock that somebody holds, before it tries others' frames.
inline constexpr std::chrono::milliseconds kLockPatience{20};

template <class Lock>
bool lock_within_patience(Lock& lock, reclaim::Patience patience) {
  const auto give_up_at = std::chrono::steady_clock::now() + kLockPatience;
  while (!lock.try_lock()) {
    if (patience == reclaim::Patience::NoWait || std::chrono::steady_clock::now() > give_up_at) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

inline std::vector<reclaim::Kept> keep_all(const std::vector<PageIndex>& pages, reclaim::Refusal why) {
  std::vector<reclaim::Kept> kept;
  for (const PageIndex page : pages) kept.push_back({page, why});
  return kept;
}

// Why a page that was to go has not: SwappedFrames::gone().
inline reclaim::Refusal refusal_of(int error) {
  return error == EBUSY ? reclaim::Refusal::Touched : error == ENOSPC ? reclaim::Refusal::SwapFull : reclaim::Refusal::Failed;
}

// Calls run(first, last) for each run of neighbours in `pages` (ascending).
template <class Run>
void each_run(const std::vector<PageIndex>& pages, Run&& run) {
  for (std::size_t i = 0; i < pages.size();) {
    std::size_t end = i + 1;
    while (end < pages.size() && pages[end] == pages[end - 1] + 1) ++end;
    run(pages[i], pages[end - 1] + 1);
    i = end;
  }
}

}  // namespace pagefold::kernel
