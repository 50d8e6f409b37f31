#include "kernel/files/in_flight.h"

#include <linux/aio_abi.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "kernel/space.h"

namespace pagefold::kernel {
namespace {

// The head of a ring, as the kernel lays it out; events follow, side by side.
struct Ring {
  std::uint32_t id, size, head, tail, magic, compatible, incompatible, header_length;
};
constexpr std::uint32_t kMagic = 0xa10a10a1;
static_assert(sizeof(Ring) == sizeof(io_event));
constexpr std::uint32_t kMostEvents = 1 << 20;  // far beyond fs.aio-max-nr

// The host maps rings where nothing of ours is. Elsewhere a page may be missing, and who reads it there would wait for himself.
bool is_hosts_alone(const Space& space, VirtRange r) { return space.host.gaps(r) == std::vector{r}; }

bool read_host(const Space& space, VirtAddr at, void* to, Bytes length) {
  return is_hosts_alone(space, {page_down(at), page_up(at + length)}) &&
         ::pread(space.memory.get(), to, length, static_cast<off_t>(at)) == static_cast<ssize_t>(length);
}

std::optional<Ring> read_ring(const Space& space, VirtAddr at) {
  Ring ring{};
  if (!page_aligned(at) || at >= kUserTop || !read_host(space, at, &ring, sizeof ring) || ring.magic != kMagic) return std::nullopt;
  if (ring.size < 2 || ring.size > kMostEvents || ring.tail >= ring.size) return std::nullopt;
  return ring;
}

}  // namespace

std::uint64_t InFlight::most(const Space& space, VirtAddr context) {
  const auto ring = read_ring(space, context);
  return ring ? ring->size : 0;
}

std::uint64_t InFlight::begin(const Space& space, VirtAddr context, std::vector<Block> blocks) {
  ++submissions_;
  const auto ring = read_ring(space, context);
  if (!ring) return submissions_;
  Context& known = contexts_[context];
  if (known.blocks.empty()) {
    known.size = ring->size;
    known.seen = ring->tail;
  }
  for (Block& block : blocks) known.blocks[{block.address, block.data}].pending.push_back({submissions_, block.place, std::move(block.pins)});
  return submissions_;
}

void InFlight::submitted(VirtAddr context, std::uint64_t submission, std::uint64_t count) {
  const auto it = contexts_.find(context);
  if (it == contexts_.end()) return;
  auto& blocks = it->second.blocks;
  for (auto entry = blocks.begin(); entry != blocks.end();) {
    std::erase_if(entry->second.pending, [&](const Pending& p) { return p.submission == submission && p.place >= count; });
    entry = entry->second.all_ended() ? blocks.erase(entry) : std::next(entry);
  }
}

void InFlight::settle(const Space& space) {
  for (auto it = contexts_.begin(); it != contexts_.end();) {
    const bool goes_on = look(space, it->first, it->second) && !it->second.blocks.empty();
    it = goes_on ? std::next(it) : contexts_.erase(it);
  }
}

bool InFlight::look(const Space& space, VirtAddr at, Context& context) {
  const auto ring = read_ring(space, at);
  if (!ring || ring->size != context.size) return false;
  std::vector<io_event> events;
  while (context.seen != ring->tail) {
    const std::uint32_t end = context.seen < ring->tail ? ring->tail : context.size;
    events.resize(end - context.seen);
    const VirtAddr from = at + sizeof(Ring) + context.seen * sizeof(io_event);
    if (!read_host(space, from, events.data(), events.size() * sizeof(io_event))) return false;
    for (const io_event& event : events) {
      const auto alike = context.blocks.find({event.obj, event.data});
      if (alike == context.blocks.end()) continue;
      ++alike->second.ended;
      if (alike->second.all_ended()) context.blocks.erase(alike);
    }
    context.seen = end % context.size;
  }
  return true;
}

}  // namespace pagefold::kernel
