#include "pmap/host_map.h"

#include <algorithm>
#include <cassert>

namespace pagefold::pmap {

HostPiece HostMap::clip(const HostPiece& p, VirtRange r) {
  HostPiece piece = p;
  piece.range = p.range.intersect(r);
  piece.offset = p.offset + (piece.range.start - p.range.start);
  return piece;
}

const HostPiece* HostMap::find(VirtAddr a) const {
  auto it = pieces_.upper_bound(a);
  if (it == pieces_.begin()) return nullptr;
  --it;
  return it->second.range.contains(a) ? &it->second : nullptr;
}

std::vector<VirtRange> HostMap::gaps(VirtRange r) const {
  std::vector<VirtRange> found;
  VirtAddr at = r.start;
  visit(r, [&](const HostPiece& p) {
    if (p.range.start > at) found.push_back({at, p.range.start});
    at = p.range.end;
  });
  if (at < r.end) found.push_back({at, r.end});
  return found;
}

void HostMap::split(VirtAddr at) {
  auto it = pieces_.upper_bound(at);
  if (it == pieces_.begin()) return;
  --it;
  HostPiece& lower = it->second;
  if (lower.range.start == at || !lower.range.contains(at)) return;
  HostPiece upper = clip(lower, {at, lower.range.end});
  lower.range.end = at;
  pieces_.emplace(at, std::move(upper));
}

void HostMap::erase(VirtRange r) {
  split(r.start);
  split(r.end);
  pieces_.erase(pieces_.lower_bound(r.start), pieces_.lower_bound(r.end));
}

void HostMap::set(HostPiece piece) {
  const VirtRange r = piece.range;
  erase(r);
  pieces_.emplace(r.start, std::move(piece));
  merge(r);
}

void HostMap::protect(VirtRange r, vm::Prot prot) {
  split(r.start);
  split(r.end);
  for (auto it = pieces_.lower_bound(r.start); it != pieces_.end() && it->second.range.start < r.end; ++it)
    it->second.prot = prot;
  merge(r);
}

void HostMap::merge(VirtRange around) {
  auto it = pieces_.lower_bound(around.start);
  if (it != pieces_.begin()) --it;
  while (it != pieces_.end() && it->second.range.start <= around.end) {
    const auto next = std::next(it);
    if (next == pieces_.end()) break;
    HostPiece& a = it->second;
    const HostPiece& b = next->second;
    if (a.range.end == b.range.start && a.kind != HostPiece::Kind::Host && a.prot == b.prot && a.same_source(b)) {
      a.range.end = b.range.end;
      pieces_.erase(next);
    } else {
      it = next;
    }
  }
}

void HostMap::check_invariants() const {
  VirtAddr last = 0;
  for (const auto& [start, p] : pieces_) {
    assert(start == p.range.start && !p.range.empty() && start >= last);
    assert(page_aligned(p.range.start) && page_aligned(p.range.end) && page_aligned(p.offset));
    assert((p.kind == HostPiece::Kind::Object || p.kind == HostPiece::Kind::Tracked) == (p.object != nullptr));
    last = p.range.end;
  }
  (void)last;
}

}  // namespace pagefold::pmap
