// See host_sync.h. Operations become host calls in the area that the supervisor shares with the guest (stage()); a thread in there
// makes them, and their results decide what is noted. What other threads may touch meanwhile is made aside and moved (replace()).

#include "kernel/sync/host_sync.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <map>
#include <optional>

#include "cache/file_object.h"
#include "cache/full_file.h"
#include "frame/shared_object.h"
#include "kernel/pressure/pressure.h"
#include "kernel/stats.h"

namespace pagefold::kernel {
namespace {

using pmap::HostPiece;

// A sparse mapping of this size would keep a core dump walking for minutes.
constexpr Bytes kHuge = Bytes{1} << 32;

// Where there is room for what is moved at once: between what programs linked to fixed addresses and all others use. Only a hint.
constexpr VirtAddr kElsewhere = 0x300000000000;

stub::Command command(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0,
                      std::uint64_t e = 0, std::uint64_t f = 0) {
  return {number, {a, b, c, d, e, f}, 0, 0};
}

bool is_huge_layer(const HostOp& op) {
  return op.kind == HostOp::Kind::Map && op.piece.kind == HostPiece::Kind::Layer && op.piece.range.size() >= kHuge;
}

// How many calls an operation takes; the first decides whether it succeeded.
std::size_t commands_of(const HostOp& op) { return is_huge_layer(op) ? 2 : 1; }

// What the command at `index` of the last batch gave: written by the guest's side.
std::int64_t result_of(const Space& space, std::size_t index) {
  return static_cast<const volatile stub::Command&>(space.area->commands[index]).result;
}

bool stub_failed(std::int64_t result) { return result < 0 && result > -4096; }

// -1: the layer's store.
int source_fd(const HostOp& op) {
  if (op.piece.kind == HostPiece::Kind::Host) return op.fd;
  const vm::Object* object = op.piece.object.get();
  if (op.piece.kind == HostPiece::Kind::Tracked) return static_cast<const cache::FullFile*>(object)->frames();
  if (const auto* file = dynamic_cast<const cache::FileObject*>(object)) return file->reader();
  if (const auto* shared = dynamic_cast<const frame::SharedObject*>(object)) return shared->store()->fd();
  return -1;
}

int mmap_flags(const HostOp& op) {
  switch (op.piece.kind) {
    case HostPiece::Kind::Host: return op.flags;
    case HostPiece::Kind::Object:
      return (op.piece.object->kind() == vm::Object::Kind::File ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE;
    case HostPiece::Kind::Layer:
    case HostPiece::Kind::Tracked: return MAP_SHARED | MAP_NORESERVE;
  }
  return 0;
}

// number: the descriptor's in the guest; -1 for the layer's store, which the stub has.
stub::Command mmap_command(const HostOp& op, int number, Placement placement) {
  const bool fixed = placement == Placement::Fixed;
  const bool host = op.piece.kind == HostPiece::Kind::Host;
  stub::Command made = command(SYS_mmap, fixed ? op.piece.range.start : kElsewhere, op.piece.range.size(), op.piece.prot,
                               static_cast<std::uint64_t>(mmap_flags(op) | (fixed ? MAP_FIXED : 0)),
                               static_cast<std::uint64_t>(number), host ? op.file_offset : op.piece.offset);
  made.use_store = op.piece.kind == HostPiece::Kind::Layer;
  return made;
}

}  // namespace

Result<std::size_t> stage(Space& space, const Listener& listener, std::uint64_t id, const std::vector<HostOp>& ops,
                          std::size_t& from, Placement placement) {
  std::size_t count = 0;
  stub::Command* out = space.area->commands;
  std::map<int, int> numbers;  // our descriptors, and what they are called over there
  constexpr std::size_t kMostCommandsOfOne = 3;
  for (; from < ops.size() && count + numbers.size() + kMostCommandsOfOne <= stub::kCommands; ++from) {
    const HostOp& op = ops[from];
    const VirtRange r = op.piece.range;
    switch (op.kind) {
      case HostOp::Kind::Unmap: out[count++] = command(SYS_munmap, r.start, r.size()); break;
      case HostOp::Kind::Protect: out[count++] = command(SYS_mprotect, r.start, r.size(), op.piece.prot); break;
      case HostOp::Kind::Map: {
        const int fd = source_fd(op);
        if (fd >= 0 && !numbers.contains(fd)) numbers[fd] = PAGEFOLD_TRY(listener.add_fd(id, fd));
        out[count++] = mmap_command(op, fd < 0 ? -1 : numbers[fd], placement);
        if (placement == Placement::Fixed && is_huge_layer(op)) out[count++] = command(SYS_madvise, r.start, r.size(), MADV_DONTDUMP);
        break;
      }
    }
  }
  for (const auto& [ours, number] : numbers) out[count++] = command(SYS_close, static_cast<std::uint64_t>(number));
  return count;
}

Result<void> register_piece(Space& space, const HostPiece& piece) {
  if (piece.kind == HostPiece::Kind::Host) return {};
  if (piece.kind == HostPiece::Kind::Object) {
    const bool evictable = pressure() != nullptr && piece.object->kind() == vm::Object::Kind::Shared;
    return evictable ? space.uffd.register_evictable(piece.range) : space.uffd.register_shared(piece.range);
  }
  if (piece.kind == HostPiece::Kind::Tracked) return space.uffd.register_evictable(piece.range);
  PAGEFOLD_CHECK(pressure() != nullptr ? space.uffd.register_evictable(piece.range) : space.uffd.register_private(piece.range));
  // A fresh mapping has lost the write protection of pages that heirs still inherit, and of mirrors. Pages on their way to the
  // swap are stored to again.
  const std::lock_guard family(space.layer->mutex());
  Result<void> done;
  const PageIndex first = page_of(piece.offset);
  space.layer->frames().stay(first, first + piece.range.pages());
  for (const vm::PageSet* pages : {&space.layer->guarded(), &space.layer->mirrors()}) {
    pages->for_each_run(first, first + piece.range.pages(), [&](PageIndex from, PageIndex to) {
      const VirtAddr start = piece.range.start + bytes_of(from - first);
      if (done) done = space.uffd.write_protect({start, start + bytes_of(to - from)});
    });
  }
  return done;
}

void note(Space& space, const std::vector<HostOp>& ops) {
  stats().host_operations.fetch_add(ops.size(), std::memory_order_relaxed);
  for (const HostOp& op : ops) {
    switch (op.kind) {
      case HostOp::Kind::Unmap: space.host.erase(op.piece.range); break;
      case HostOp::Kind::Protect: space.host.protect(op.piece.range, op.piece.prot); break;
      case HostOp::Kind::Map: space.host.set(op.piece); break;
    }
  }
}

Result<void> commit(Space& space, const std::vector<HostOp>& ops) {
  note(space, ops);
  for (const HostOp& op : ops)
    if (op.kind == HostOp::Kind::Map) PAGEFOLD_CHECK(register_piece(space, op.piece));
  return {};
}

namespace {

// Threads may touch the range meanwhile, and rightly: the model has something there, and so has the host.
bool is_live(const Space& space, const HostOp& op) {
  if (op.kind != HostOp::Kind::Map || op.piece.kind == HostPiece::Kind::Host) return false;
  bool live = false;
  space.host.visit(op.piece.range, [&](const HostPiece&) { live = true; });
  return live && !space.map.is_free(op.piece.range);
}

// Between a mapping and its registration for faults a touch finds a hole of the store: zeros. Where other threads run, what is
// new is therefore made and registered at a place that nobody knows, and moved: the kernel changes the range at once.
// EEXIST: the host found no place beside the range.
Result<void> replace(Space& space, const Listener& listener, const HostOp& op) {
  const std::uint64_t id = PAGEFOLD_TRY(space.agent.wait_idle());
  std::size_t from = 0;
  const std::size_t count = PAGEFOLD_TRY(stage(space, listener, id, {op}, from, Placement::Anywhere));
  PAGEFOLD_CHECK(space.agent.run(listener, count));
  const std::int64_t made = result_of(space, 0);
  if (stub_failed(made)) return fail(static_cast<int>(-made), fmt::format("host call for {:x}", op.piece.range.start));
  const auto at = static_cast<VirtAddr>(made);
  const Bytes size = op.piece.range.size();
  HostPiece there = op.piece;
  there.range = {at, at + size};
  Result<void> done = there.range.overlaps(op.piece.range) ? fail(EEXIST) : register_piece(space, there);
  if (done) {
    const auto moved = call_in_guest(space, listener, command(SYS_mremap, at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, op.piece.range.start));
    if (!moved) done = tl::unexpected(moved.error());
  }
  if (!done) {
    (void)call_in_guest(space, listener, command(SYS_munmap, at, size));
    return done;
  }
  if (is_huge_layer(op)) PAGEFOLD_TRY(call_in_guest(space, listener, command(SYS_madvise, op.piece.range.start, size, MADV_DONTDUMP)));
  note(space, {op});
  return {};
}

}  // namespace

Result<void> carry_out(Space& space, const Listener& listener, const std::vector<HostOp>& all) {
  std::vector<HostOp> ops;
  std::optional<bool> threads;  // asked only when it matters
  for (const HostOp& op : all) {
    if (is_live(space, op) && (threads ? *threads : threads.emplace(space.has_several_threads()))) {
      const auto replaced = replace(space, listener, op);
      if (replaced) continue;
      if (replaced.error().code != EEXIST) return replaced;
    }
    ops.push_back(op);
  }
  std::vector<HostOp> done;
  Result<void> outcome;
  for (std::size_t from = 0; from < ops.size() && outcome;) {
    const std::uint64_t id = PAGEFOLD_TRY(space.agent.wait_idle());
    const std::size_t first = from;
    const std::size_t count = PAGEFOLD_TRY(stage(space, listener, id, ops, from));
    PAGEFOLD_CHECK(space.agent.run(listener, count));
    // A batch goes on after a call that failed; the host map must know of all that succeeded.
    std::size_t at = 0;
    for (std::size_t i = first; i < from; ++i) {
      const std::int64_t result = result_of(space, at);
      at += commands_of(ops[i]);
      if (!stub_failed(result)) done.push_back(ops[i]);
      else if (outcome) outcome = fail(static_cast<int>(-result), fmt::format("host call for {:x}", ops[i].piece.range.start));
    }
  }
  PAGEFOLD_CHECK(commit(space, done));
  return outcome;
}

Result<std::int64_t> call_in_guest(Space& space, const Listener& listener, const stub::Command& command) {
  PAGEFOLD_TRY(space.agent.wait_idle());
  space.area->commands[0] = command;
  PAGEFOLD_CHECK(space.agent.run(listener, 1));
  const std::int64_t result = result_of(space, 0);
  if (stub_failed(result)) return fail(static_cast<int>(-result), fmt::format("host call {}", command.number));
  return result;
}

Result<void> synchronise(Space& space, const Listener& listener, VirtRange r, Urgency urgency) {
  const auto ops = plan(space, r, urgency);
  if (ops.empty()) return {};
  return carry_out(space, listener, ops);
}

}  // namespace pagefold::kernel
