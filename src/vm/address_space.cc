#include "vm/address_space.h"

#include <algorithm>
#include <cassert>

namespace pagefold::vm {
namespace {

// A mapping that grows down keeps this distance to what lies below it (Linux: stack_guard_gap, 256 pages).
constexpr Bytes kGuardGap = 256 * kPageSize;

// Where a new mapping below v may end.
VirtAddr usable_below(const Vma& v) {
  const Bytes distance = v.grows_down ? kGuardGap : 0;
  return v.range.start > distance ? v.range.start - distance : 0;
}

bool mergeable(const Vma& a, const Vma& b) {
  if (a.range.end != b.range.start) return false;
  if (a.prot != b.prot || a.may != b.may || a.shared != b.shared || a.grows_down != b.grows_down || a.locked != b.locked ||
      a.dont_fork != b.dont_fork || a.wipe_on_fork != b.wipe_on_fork || a.dont_dump != b.dont_dump ||
      a.no_reserve != b.no_reserve || a.tag != b.tag || a.tag == Tag::Special || a.layered != b.layered || a.accounted != b.accounted || a.advice != b.advice ||
      a.object != b.object || a.opened_as != b.opened_as)
    return false;
  if (a.object && a.offset + a.range.size() != b.offset) return false;
  return a.shared || a.layer + a.range.size() == b.layer;
}

}  // namespace

Vma* AddressSpace::find(VirtAddr a) { return const_cast<Vma*>(std::as_const(*this).find(a)); }

const Vma* AddressSpace::find(VirtAddr a) const {
  auto it = vmas_.upper_bound(a);
  if (it == vmas_.begin()) return nullptr;
  --it;
  return it->second.range.contains(a) ? &it->second : nullptr;
}

Vma* AddressSpace::find_from(VirtAddr a) {
  auto it = vmas_.upper_bound(a);
  if (it != vmas_.begin() && std::prev(it)->second.range.end > a) return &std::prev(it)->second;
  return it == vmas_.end() ? nullptr : &it->second;
}

bool AddressSpace::is_free(VirtRange r) const {
  const auto it = vmas_.lower_bound(r.end);
  return it == vmas_.begin() || std::prev(it)->second.range.end <= r.start;
}

bool AddressSpace::is_free_with_gap(VirtRange r) const {
  if (!is_free(r)) return false;
  const auto above = vmas_.lower_bound(r.end);
  return above == vmas_.end() || !above->second.grows_down || above->first - r.end >= kGuardGap;
}

bool AddressSpace::is_covered(VirtRange r) const {
  for (VirtAddr at = r.start; at < r.end;) {
    const Vma* v = find(at);
    if (v == nullptr) return false;
    at = v->range.end;
  }
  return true;
}

std::optional<VirtAddr> AddressSpace::find_gap(Bytes size, VirtRange area) const {
  const auto top = gaps_.highest(size, area, [this](VirtAddr end) {
    const auto above = vmas_.find(end);
    return above == vmas_.end() ? end : usable_below(above->second);
  });
  return top ? std::optional(*top - size) : std::nullopt;
}

void AddressSpace::account(Bytes added) {
  mapped_ += added;
  peak_mapped_ = std::max(peak_mapped_, mapped_);
}

void AddressSpace::split(VirtAddr at) {
  Vma* v = find(at);
  if (v == nullptr || v->range.start == at) return;
  Vma upper = clip(*v, {at, v->range.end});
  v->range.end = at;
  vmas_.emplace(at, std::move(upper));
}

AddressSpace::Map::iterator AddressSpace::merge_around(Map::iterator it) {
  if (const auto next = std::next(it); next != vmas_.end() && mergeable(it->second, next->second)) {
    it->second.range.end = next->second.range.end;
    vmas_.erase(next);
  }
  if (it != vmas_.begin()) {
    const auto prev = std::prev(it);
    if (mergeable(prev->second, it->second)) {
      prev->second.range.end = it->second.range.end;
      vmas_.erase(it);
      return prev;
    }
  }
  return it;
}

Vma& AddressSpace::insert(Vma v) {
  assert(is_free(v.range) && !v.range.empty());
  account(v.range.size());
  gaps_.take(v.range);
  const VirtAddr start = v.range.start;
  return merge_around(vmas_.emplace(start, std::move(v)).first)->second;
}

std::vector<Vma> AddressSpace::remove(VirtRange r) {
  split(r.start);
  split(r.end);
  std::vector<Vma> removed;
  for (auto it = vmas_.lower_bound(r.start); it != vmas_.end() && it->second.range.start < r.end;) {
    mapped_ -= it->second.range.size();
    gaps_.give(it->second.range);
    removed.push_back(std::move(it->second));
    it = vmas_.erase(it);
  }
  return removed;
}

void AddressSpace::modify(VirtRange r, const std::function<void(Vma&)>& change) {
  split(r.start);
  split(r.end);
  for (auto it = vmas_.lower_bound(r.start); it != vmas_.end() && it->second.range.start < r.end; ++it) change(it->second);
  for (auto it = vmas_.lower_bound(r.start); it != vmas_.end() && it->second.range.start <= r.end;)
    it = std::next(merge_around(it));
}

void AddressSpace::visit(VirtRange r, const std::function<void(const Vma&)>& visit) const {
  auto it = vmas_.upper_bound(r.start);
  if (it != vmas_.begin() && std::prev(it)->second.range.end > r.start) --it;
  for (; it != vmas_.end() && it->second.range.start < r.end; ++it) visit(it->second);
}

Vma& AddressSpace::grow_down(Vma& v, VirtAddr start) {
  assert(start < v.range.start && is_free({start, v.range.start}));
  Vma grown = v;
  const Bytes more = v.range.start - start;
  gaps_.take({start, v.range.start});
  vmas_.erase(v.range.start);
  grown.range.start = start;
  grown.layer -= more;
  if (grown.object) grown.offset -= more;
  account(more);
  return merge_around(vmas_.emplace(start, std::move(grown)).first)->second;
}

void AddressSpace::check_invariants() const {
  Bytes total = 0;
  const Vma* last = nullptr;
  for (const auto& [start, v] : vmas_) {
    assert(start == v.range.start && !v.range.empty());
    assert(page_aligned(v.range.start) && page_aligned(v.range.end) && page_aligned(v.offset) && page_aligned(v.layer));
    assert(last == nullptr || last->range.end <= v.range.start);
    assert(last == nullptr || !mergeable(*last, v));
    assert(!(v.shared && v.layered));
    total += v.range.size();
    last = &v;
  }
  assert(total == mapped_ && mapped_ <= peak_mapped_);
  Bytes free = 0;
  for (const auto& [start, end] : gaps_.all()) {
    assert(is_free({start, end}));
    free += end - start;
  }
  assert(free + total == GapIndex::kEverything.size());
  (void)free;
  (void)total;
  (void)last;
}

}  // namespace pagefold::vm
