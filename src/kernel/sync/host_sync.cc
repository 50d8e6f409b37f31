#include "kernel/sync/host_sync.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <map>
#include <optional>

#include "cache/file_cache.h"
#include "cache/file_object.h"
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

constexpr vm::Prot kReadWrite = vm::kRead | vm::kWrite;

HostPiece background_piece(VirtRange r) { return {r, HostPiece::Kind::Layer, kReadWrite, r.start, nullptr}; }

bool is_background(const HostPiece& p) {
  return p.kind == HostPiece::Kind::Layer && p.prot == kReadWrite && p.offset == p.range.start;
}

// Whoever touches the piece faults: no page of its layer range has a frame, nor can get one but by a fault there. An inherited
// page can, when its source pushes it; a lent one, when the mapping elsewhere is touched.
bool untouched(const Space& space, const HostPiece& p) {
  const VirtRange used{p.offset, p.offset + p.range.size()};
  if (space.is_lent(used)) return false;
  const std::lock_guard lock(space.layer->mutex());
  const PageIndex first = page_of(used.start), last = page_of(used.end);
  return !space.layer->present().any(first, last) && !space.layer->inherited().any(first, last);
}

bool may_lag(const Space& space, const HostPiece& have, bool exec, Urgency urgency) {
  return urgency == Urgency::Lazy && !exec && is_background(have) && untouched(space, have);
}

HostPiece clip(const HostPiece& p, VirtRange r) {
  HostPiece piece = p;
  piece.range = p.range.intersect(r);
  piece.offset = p.offset + (piece.range.start - p.range.start);
  return piece;
}

void add(std::vector<HostOp>& ops, HostOp::Kind kind, HostPiece piece) {
  HostOp op;
  op.kind = kind;
  op.piece = std::move(piece);
  if (!ops.empty() && ops.back().kind == kind && ops.back().piece.range.end == op.piece.range.start &&
      ops.back().piece.prot == op.piece.prot && (kind != HostOp::Kind::Map || ops.back().piece.same_source(op.piece))) {
    ops.back().piece.range.end = op.piece.range.end;
    return;
  }
  ops.push_back(std::move(op));
}

// One piece of the range, in which the model wants `want` throughout.
void plan_mapped(const Space& space, const HostPiece& want, bool exec, Urgency urgency, std::vector<HostOp>& ops) {
  for (const VirtRange gap : space.host.gaps(want.range)) add(ops, HostOp::Kind::Map, clip(want, gap));
  space.host.visit(want.range, [&](const HostPiece& have) {
    const HostPiece part = clip(want, have.range);
    const bool same = have.same_source(part);
    if ((same && have.prot == part.prot) || may_lag(space, have, exec, urgency)) return;
    add(ops, same ? HostOp::Kind::Protect : HostOp::Kind::Map, part);
  });
}

void plan_unmap(const Space& space, VirtRange r, std::vector<HostOp>& ops) {
  space.host.visit(r, [&](const HostPiece& have) { add(ops, HostOp::Kind::Unmap, have); });
}

void plan_background(const Space& space, VirtRange r, std::vector<HostOp>& ops) {
  if (r.empty()) return;
  // What is lent must not be reached from here; the background goes on on either side of it.
  const auto lent = std::find_if(space.lent.begin(), space.lent.end(), [r](VirtRange l) { return l.overlaps(r); });
  if (lent != space.lent.end()) {
    const VirtRange gone = lent->intersect(r);
    plan_background(space, {r.start, gone.start}, ops);
    plan_unmap(space, gone, ops);
    return plan_background(space, {gone.end, r.end}, ops);
  }
  const HostPiece want = background_piece(r);
  for (const VirtRange gap : space.host.gaps(r)) add(ops, HostOp::Kind::Map, clip(want, gap));
  space.host.visit(r, [&](const HostPiece& have) {
    if (!is_background(have)) add(ops, have.same_source(want) ? HostOp::Kind::Protect : HostOp::Kind::Map, clip(want, have.range));
  });
}

// Nothing is mapped in r: the background shows through where there is one.
void plan_unmapped(const Space& space, VirtRange r, std::vector<HostOp>& ops) {
  VirtAddr at = r.start;
  for (const VirtRange b : space.background) {
    if (!b.overlaps(r)) continue;
    const VirtRange part = b.intersect(r);
    if (part.start > at) plan_unmap(space, {at, part.start}, ops);
    plan_background(space, part, ops);
    at = part.end;
  }
  if (at < r.end) plan_unmap(space, {at, r.end}, ops);
}

stub::Command command(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0, std::uint64_t d = 0,
                      std::uint64_t e = 0, std::uint64_t f = 0) {
  return {number, {a, b, c, d, e, f}, 0, 0};
}

bool is_huge_layer(const HostOp& op) {
  return op.kind == HostOp::Kind::Map && op.piece.kind == HostPiece::Kind::Layer && op.piece.range.size() >= kHuge;
}

// How many calls an operation takes; the first decides whether it succeeded.
std::size_t commands_of(const HostOp& op) { return is_huge_layer(op) ? 2 : 1; }

bool stub_failed(std::int64_t result) { return result < 0 && result > -4096; }

int source_fd(const HostOp& op) {
  if (op.piece.kind == HostPiece::Kind::Host) return op.fd;
  const vm::Object* object = op.piece.object.get();
  if (op.piece.kind == HostPiece::Kind::Tracked) return static_cast<const cache::FullFile*>(object)->frames();
  if (const auto* file = dynamic_cast<const cache::FileObject*>(object)) return file->reader();
  if (const auto* shared = dynamic_cast<const frame::SharedObject*>(object)) return shared->store()->fd();
  return -1;
}

}  // namespace

bool tracked(const vm::Vma& v) {
  return v.shared && (v.may & vm::kWrite) != 0 && dynamic_cast<const cache::FullFile*>(v.object.get()) != nullptr;
}

HostPiece wanted(const vm::Vma& v) {
  if (v.host()) return {v.range, HostPiece::Kind::Host, v.prot, v.offset, nullptr};
  if (tracked(v)) return {v.range, HostPiece::Kind::Tracked, v.prot, v.offset, v.object};
  if (v.object && !v.layered) return {v.range, HostPiece::Kind::Object, v.prot, v.offset, v.object};
  return {v.range, HostPiece::Kind::Layer, v.prot, v.layer, nullptr};
}

std::vector<HostOp> plan(const Space& space, VirtRange r, Urgency urgency) {
  std::vector<HostOp> ops;
  VirtAddr at = r.start;
  space.map.visit(r, [&](const vm::Vma& v) {
    const VirtRange part = v.range.intersect(r);
    if (part.start > at) plan_unmapped(space, {at, part.start}, ops);
    at = part.end;
    if (v.host()) {
      // Mapped when the call was served; only its protection can have changed since.
      space.host.visit(part, [&](const HostPiece& have) {
        if (have.kind == HostPiece::Kind::Host && have.prot != v.prot)
          add(ops, HostOp::Kind::Protect, {have.range, HostPiece::Kind::Host, v.prot, have.offset, nullptr});
      });
      return;
    }
    plan_mapped(space, clip(wanted(v), part), (v.prot & vm::kExec) != 0, urgency, ops);
  });
  if (at < r.end) plan_unmapped(space, {at, r.end}, ops);
  return ops;
}

Result<std::size_t> stage(Space& space, const Listener& listener, std::uint64_t id, const std::vector<HostOp>& ops,
                          std::size_t& from, Placement placement) {
  const bool fixed = placement == Placement::Fixed;
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
        const bool layer = op.piece.kind == HostPiece::Kind::Layer;
        int flags = op.flags;
        if (layer) flags = MAP_SHARED | MAP_NORESERVE;
        if (op.piece.kind == HostPiece::Kind::Object)
          flags = (op.piece.object->kind() == vm::Object::Kind::File ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE;
        if (op.piece.kind == HostPiece::Kind::Tracked) flags = MAP_SHARED | MAP_NORESERVE;
        const Bytes offset = op.piece.kind == HostPiece::Kind::Host ? op.file_offset : op.piece.offset;
        const int fd = layer ? -1 : source_fd(op);
        if (fd >= 0 && !numbers.contains(fd)) numbers[fd] = PAGEFOLD_TRY(listener.add_fd(id, fd));
        const int number = fd < 0 ? -1 : numbers[fd];
        out[count] = command(SYS_mmap, fixed ? r.start : kElsewhere, r.size(), op.piece.prot, static_cast<std::uint64_t>(flags | (fixed ? MAP_FIXED : 0)),
                             static_cast<std::uint64_t>(number), offset);
        out[count++].use_store = layer;
        if (fixed && is_huge_layer(op)) out[count++] = command(SYS_madvise, r.start, r.size(), MADV_DONTDUMP);
        break;
      }
    }
  }
  for (const auto& [ours, number] : numbers) out[count++] = command(SYS_close, static_cast<std::uint64_t>(number));
  return count;
}

std::vector<HostOp> hand_over(Space& space) {
  std::vector<vm::Vma> leaving;
  for (const auto& [start, v] : space.map.all()) {
    const auto* file = dynamic_cast<const cache::FileObject*>(v.object.get());
    if (file != nullptr && file->given_up() && !v.layered) leaving.push_back(v);
  }
  std::vector<HostOp> ops;
  std::map<const vm::Object*, vm::ObjectRef> successors;
  for (const vm::Vma& v : leaving) {
    auto& successor = successors[v.object.get()];
    if (!successor) successor = cache::successor_of(static_cast<const cache::FileObject&>(*v.object));
    space.map.modify(v.range, [&](vm::Vma& piece) { piece.object = successor; });
    HostOp op;
    op.piece = {v.range, HostPiece::Kind::Host, v.prot, v.offset, nullptr};
    op.fd = static_cast<const cache::FileObject&>(*v.object).file();
    op.flags = v.shared ? MAP_SHARED : MAP_PRIVATE;
    op.file_offset = v.offset;
    op.keep_alive = v.object;
    ops.push_back(std::move(op));
    space.mapped_pages.erase(v.object.get());
  }
  return ops;
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
  const std::int64_t made = static_cast<volatile stub::Command&>(space.area->commands[0]).result;
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
      const std::int64_t result = static_cast<volatile stub::Command&>(space.area->commands[at]).result;
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
  const std::int64_t result = static_cast<volatile stub::Command&>(space.area->commands[0]).result;
  if (stub_failed(result)) return fail(static_cast<int>(-result));
  return result;
}

Result<void> synchronise(Space& space, const Listener& listener, VirtRange r, Urgency urgency) {
  const auto ops = plan(space, r, urgency);
  if (ops.empty()) return {};
  return carry_out(space, listener, ops);
}

}  // namespace pagefold::kernel
