// What is under way after io_submit(2) of one address space: the pages that reads are under way to stay pinned (vm/pinned.h) until the
// read is known to have ended.
//
// It is known from the ring of events that the kernel keeps at the address of each context (struct aio_ring in fs/aio.c): whatever
// ends is put there, in order, before anybody can learn of it elsewhere. Programs take events out by moving the head; the tail is the
// kernel's. Less than a ringful can be under way or untaken at a time, so who looks at the tail at each submission misses nothing. An
// event names its control block and carries a word of the program's; what looks alike in that ends together, with the last of it. So
// other operations are followed as well: their control blocks may look like a read's.
//
// The ring lies in memory that the guest can write: what it says is checked, and a guest that lies loses bytes of its own only.
// Protected by Space::mutex, under which no mapping comes to the ring's place while it is read.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/page.h"
#include "vm/pinned.h"

namespace pagefold::kernel {

struct Space;

class InFlight {
 public:
  struct Block {
    VirtAddr address = 0;
    std::uint64_t data = 0;  // aio_data
    std::uint64_t place = 0;  // in its submission
    std::vector<vm::Pin> pins;
  };

  // How many blocks one call can submit. 0: there is no such context, or it cannot be looked at.
  static std::uint64_t most(const Space& space, VirtAddr context);
  // The guest is about to submit these. Returns what submitted() wants.
  std::uint64_t begin(const Space& space, VirtAddr context, std::vector<Block> blocks);
  // The call has submitted the first `count` blocks of its submission; the others are not under way.
  void submitted(VirtAddr context, std::uint64_t submission, std::uint64_t count);
  // Forgets what has ended.
  void settle(const Space& space);
  // The context is gone; or all are.
  void end(VirtAddr context) { contexts_.erase(context); }
  void end_all() { contexts_.clear(); }

 private:
  using Key = std::pair<VirtAddr, std::uint64_t>;  // address, data
  struct Pending {
    std::uint64_t submission = 0, place = 0;
    std::vector<vm::Pin> pins;
  };
  struct Alike {
    std::size_t ended = 0;
    std::vector<Pending> pending;
    [[nodiscard]] bool all_ended() const { return ended >= pending.size(); }
  };
  struct Context {
    std::uint32_t size = 0;  // of the ring, in events
    std::uint32_t seen = 0;  // events before this one have been looked at
    std::map<Key, Alike> blocks;
  };
  // False: the ring cannot be read (any more).
  static bool look(const Space& space, VirtAddr at, Context& context);

  std::map<VirtAddr, Context> contexts_;
  std::uint64_t submissions_ = 0;
};

}  // namespace pagefold::kernel
