// Everything Pagefold knows of one guest address space: the model (map, layer), what the host has of it (host, uffd), and
// the way to act inside it (area, agent). Processes made by vfork share their parent's Space until they exec.
//
// Lock order, outermost first: Space::mutex; Layer::mutex() of its family; FileObject and FileCache; Agent's own. The
// supervisor's table lock is never held together with any of them. Faults and calls of one space exclude each other by
// Space::mutex; it is held while the agent works (some 15 us), but never while a file is read from a disk.
#pragma once

#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "frame/store.h"
#include "kernel/files/in_flight.h"
#include "kernel/sync/agent.h"
#include "pmap/host_map.h"
#include "pmap/uffd.h"
#include "reclaim/swapped_frames.h"
#include "stub/protocol.h"
#include "vm/address_space.h"
#include "vm/layer.h"

namespace pagefold::kernel {

// The supervisor's own mapping of a guest's shared area. What it reads there a guest may have written.
class AreaView {
 public:
  AreaView() = default;
  static Result<AreaView> map(const frame::Store& store);
  AreaView(AreaView&& other) noexcept : area_(std::exchange(other.area_, nullptr)) {}
  AreaView& operator=(AreaView&& other) noexcept {
    std::swap(area_, other.area_);
    return *this;
  }
  ~AreaView();
  stub::Area* operator->() const { return area_; }
  stub::Area& operator*() const { return *area_; }

 private:
  stub::Area* area_ = nullptr;
};

struct HostOp;
class OwnFiles;

// The limits Pagefold keeps itself (mm_limits.cc).
struct MemoryLimits {
  rlimit address_space{RLIM_INFINITY, RLIM_INFINITY}, data{RLIM_INFINITY, RLIM_INFINITY};
};

struct Space {
  Space();
  ~Space();
  enum class State { Booting, Running, Dead };

  // A fresh space with an empty store, area and layer.
  static Result<std::shared_ptr<Space>> create(pid_t pid);

  std::mutex mutex;  // protects all below but the constant members and what says otherwise
  std::atomic<bool> evicting{false};  // who holds the mutex takes pages away, and will be done within some tens of microseconds
  pid_t pid = 0;           // thread-group leader
  UniqueFd pidfd;          // constant once running
  UniqueFd memory;         // /proc/PID/mem of this very address space, whatever pid has become; constant once running
  std::uint64_t token = 0;  // constant
  OwnFiles* own_files = nullptr;  // constant once running; null unless the run owns files fully
  State state = State::Booting;

  vm::AddressSpace map;
  pmap::HostMap host;
  pmap::Uffd uffd;
  std::shared_ptr<frame::Store> store;
  std::shared_ptr<reclaim::SwappedFrames> swapped;  // under a memory limit: what stands between layer and store; else null
  std::shared_ptr<vm::Layer> layer;
  AreaView area;
  Agent agent;

  // Areas that the host always maps to the layer, so that mappings there come and go without host operations.
  std::vector<VirtRange> background;
  // Parts of the layer used by mappings that were moved away from their own addresses.
  std::vector<VirtRange> lent;
  Bytes next_spare_layer = kUserTop + kPageSize;  // where layer ranges for such addresses come from

  // Booting: what bootstrap code overwrote in text that the host goes on mapping itself; restored before the start.
  VirtAddr patched_at = 0;
  std::vector<std::byte> patched_bytes;

  VirtAddr brk_start = 0, brk = 0;
  VirtAddr stack_top = 0;   // highest address of the stack
  bool lock_future = false;    // mlockall(MCL_FUTURE)
  bool lock_on_fault = false;  // ... with MCL_ONFAULT
  // By process (thread group): one made by vfork may have limits of its own before it execs.
  std::map<pid_t, MemoryLimits> limits;
  bool new_program = false;  // Booting: after an exec, not a fork
  // Booting: what the new process still has to do on the host, and how far it is.
  std::vector<HostOp> boot_ops;
  std::size_t boot_at = 0;

  // A fork in flight, from the snapshot until the child has its own memory: no mapping may change meanwhile.
  std::shared_ptr<Space> fork_child;
  pid_t fork_caller = 0;
  std::condition_variable fork_done;
  unsigned next_slot = 0;
  // Threads that have asked to end and may still be there, and the pages that the host stores to when they go: fork and
  // eviction leave those alone.
  struct Exiting {
    pid_t group, thread;
    VirtRange kept;
  };
  std::vector<Exiting> exiting;

  InFlight in_flight;  // asynchronous reads

  // By thread: where its list of robust mutexes is (process/robust_lists.h). Known under --mem and --own-files.
  struct RobustList {
    pid_t group;
    VirtAddr head;
  };
  std::map<pid_t, RobustList> robust_lists;

  // Pages of files and shared memory that this space's page tables have been given.
  std::map<const vm::Object*, vm::PageSet> mapped_pages;
  std::uint64_t major_faults = 0, minor_faults = 0;
  Bytes peak_resident = 0;  // as last seen by an observer

  // Handlers that stand behind the stub's signal wrapper, by signal; 0: not wrapped.
  std::array<std::uint64_t, stub::kSignals> real_handlers{};

  // Processes here (several after vfork) with a seccomp filter of their own that the stub would not survive.
  std::set<pid_t> strict_filters;

  bool lent_to_processes = false;  // clone with CLONE_VM alone: processes that are no threads of its own run here, too

  std::string program;  // path of the executable
  bool own_loader = false;  // Pagefold's loader loads the program, and has not handed over to the genuine one
  Bytes accounted = 0;  // resident bytes last reported to the frame accounting

  // More than one thread may be running in this memory.
  [[nodiscard]] bool has_several_threads() const;
  [[nodiscard]] bool in_background(VirtRange r) const;
  void forget_exited();
  [[nodiscard]] bool is_lent(VirtRange layer_range) const;
  // What a layer of this space keeps its pages in.
  [[nodiscard]] std::shared_ptr<vm::FrameSource> frames() const;
  // The layer range for a new private mapping at r: r itself, unless it is lent.
  Bytes choose_layer(VirtRange r);
  // v has been moved, its range of the layer with it: no mapping at that range's own addresses may use it. None is lent when v
  // has come home.
  void lend_layer(const vm::Vma& v);
  // After unmapping v: returns its layer range if it was lent.
  void reclaim_layer(const vm::Vma& v);
  // A child that is killed before it has its memory never reports; its parent's clone is over all the same when the thread
  // that made it calls again, or after a moment.
  void wait_for_fork(std::unique_lock<std::mutex>& lock, pid_t caller = 0);
  void check_invariants() const;

 private:
  void take_back(VirtRange used);
};

using SpaceRef = std::shared_ptr<Space>;

}  // namespace pagefold::kernel
