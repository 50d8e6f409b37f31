// The map of one address space: mappings in ascending order, never overlapping, neighbours that differ in nothing merged.
// It is pure bookkeeping: nothing here touches a page, a page table or the host. Callers hold the owner's lock.
//
// Rules are those of mmap(2), mprotect(2), munmap(2) and mm/mmap.c: ranges are whole pages; mappings may be cut anywhere
// on a page boundary; a new fixed mapping replaces what is there.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/page.h"
#include "vm/gap_index.h"
#include "vm/vma.h"

namespace pagefold::vm {

class AddressSpace {
 public:
  using Map = std::map<VirtAddr, Vma>;

  // New mappings without an address are placed top-down within this range.
  void set_placement(VirtRange area) { placement_ = area; }
  [[nodiscard]] VirtRange placement() const { return placement_; }

  [[nodiscard]] Vma* find(VirtAddr a);
  [[nodiscard]] const Vma* find(VirtAddr a) const;
  // The first mapping that ends above a, or null.
  [[nodiscard]] Vma* find_from(VirtAddr a);
  [[nodiscard]] const Map& all() const { return vmas_; }

  // True when no mapping overlaps r.
  [[nodiscard]] bool is_free(VirtRange r) const;
  // The same, and no mapping that grows down comes too close above r (the stack guard gap).
  [[nodiscard]] bool is_free_with_gap(VirtRange r) const;
  // True when every byte of r is mapped.
  [[nodiscard]] bool is_covered(VirtRange r) const;
  // The highest gap of `size` bytes within `area`, by default the placement area; nullopt when there is none.
  // The stack guard gap below a mapping that grows down is left free.
  [[nodiscard]] std::optional<VirtAddr> find_gap(Bytes size) const { return find_gap(size, placement_); }
  [[nodiscard]] std::optional<VirtAddr> find_gap(Bytes size, VirtRange area) const;

  // Puts v in place; its range must be free. Merges it with equal neighbours and returns the resulting mapping.
  Vma& insert(Vma v);
  // Removes r; returns the pieces that were there, ascending.
  std::vector<Vma> remove(VirtRange r);
  // Applies change to each piece of r that is mapped (pieces are split off first, merged again afterwards).
  void modify(VirtRange r, const std::function<void(Vma&)>& change);
  // Calls visit for each mapping that overlaps r, unclipped, ascending.
  void visit(VirtRange r, const std::function<void(const Vma&)>& visit) const;
  // Extends v at its low end down to `start` (free, page aligned): stack growth.
  Vma& grow_down(Vma& v, VirtAddr start);

  [[nodiscard]] Bytes mapped() const { return mapped_; }
  [[nodiscard]] Bytes peak_mapped() const { return peak_mapped_; }
  void clear() {
    vmas_.clear();
    gaps_ = {};
    mapped_ = 0;
  }
  void check_invariants() const;

 private:
  void split(VirtAddr at);
  Map::iterator merge_around(Map::iterator it);
  void account(Bytes added);

  Map vmas_;       // by range.start
  GapIndex gaps_;  // everything between them
  VirtRange placement_{kPageSize * 16, kUserTop};
  Bytes mapped_ = 0, peak_mapped_ = 0;
};

}  // namespace pagefold::vm
