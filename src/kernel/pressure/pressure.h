// A run under a memory limit (docs/pressure.md): what joins the Reclaimer, which knows frames by number, to spaces and
// files.
//
// files: private pages have one owner for each layer (evict_private.cc), files one each (evict_file.cc), pieces of shared
// memory as well (evict_shared.cc). With a limit files are fully owned (own_files.h), so that no page of a file is the
// host's.
//
// Locks: an eviction takes Space::mutex and then the family's, or the file's; so nobody who holds one of those may ask
// for room. Faults and calls ask before they lock (reserve()).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "kernel/run.h"
#include "reclaim/reclaimer.h"
#include "reclaim/swap.h"
#include "reclaim/swapped_frames.h"

namespace pagefold::kernel {

struct Space;
class Supervisor;

class Pressure {
 public:
  static Result<std::unique_ptr<Pressure>> create(const MemoryOptions& options);

  reclaim::Reclaimer& reclaimer() { return reclaimer_; }
  [[nodiscard]] reclaim::SwapBackend* swap() { return swap_.get(); }
  ~Pressure() { stop(); }
  // No more sampling, nor evictions ahead of demand; before the supervisor goes.
  void stop();
  [[nodiscard]] const MemoryOptions& options() const { return options_; }

  // The space's private pages may be evicted from now on; its frames come from space.store.
  void adopt(Supervisor& supervisor, const std::shared_ptr<Space>& space);
  void adopt(Supervisor& supervisor, const std::shared_ptr<cache::FileObject>& file);
  void adopt(Supervisor& supervisor, const std::shared_ptr<frame::SharedObject>& shared);

 private:
  Pressure(const MemoryOptions& options, std::unique_ptr<reclaim::SwapBackend> swap);

  MemoryOptions options_;
  std::unique_ptr<reclaim::SwapBackend> swap_;
  reclaim::Reclaimer reclaimer_;
  std::thread watcher_;  // samples which frames are still in use
  std::thread evictor_;  // keeps some frames free
};

// The limit of this run; null when there is none.
Pressure* pressure();
void set_pressure(std::unique_ptr<Pressure> pressure);

// Frames that the calling thread may fill until it ends; without a limit, as many as it likes.
class Room {
 public:
  // The caller holds no lock, and no frames of an earlier call: those go back. EAGAIN, ENOMEM: Reclaimer::make_room().
  Result<void> ask(PageIndex need, PageIndex wish, reclaim::Patience patience);
  [[nodiscard]] PageIndex pages() const { return pages_; }
  // What was not filled is for others.
  void give_back() { reservation_.reset(); }

 private:
  PageIndex pages_ = ~PageIndex{0};
  std::optional<reclaim::Reservation> reservation_;
};

// There is no room, and nothing left to evict: the guest that asked is killed, as by the OOM killer.
void out_of_memory(Supervisor& supervisor, Space& space);

}  // namespace pagefold::kernel
