// See host_plan.h. The model's mappings and the gaps between them are gone through in order; each is held against the pieces
// that the host has there.

#include "kernel/sync/host_plan.h"

#include <algorithm>

#include "cache/full_file.h"

namespace pagefold::kernel {
namespace {

using pmap::HostPiece;

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

}  // namespace pagefold::kernel
