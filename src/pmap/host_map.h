// What the host's own mappings of one guest look like now: the bookkeeping half of the pmap. The model (vm::AddressSpace)
// says what should be; this says what is; the difference is what a fault or a call must bring about. It may lag behind the
// model only where no page is mapped, because the next touch there faults and repairs it.
//
// Pure bookkeeping, under the lock of the address space.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/page.h"
#include "vm/vma.h"

namespace pagefold::pmap {

struct HostPiece {
  enum class Kind {
    Layer,   // the address space's own store, shared mapping, served by faults
    Object,  // the store of a file (private mapping of a read-only descriptor) or of shared memory, served by faults
    Tracked,  // the store of a fully owned file, shared and writable; first stores to clean pages are served as faults
    Host,    // a real file, device, or the vdso: none of our business
  };
  VirtRange range;
  Kind kind = Kind::Layer;
  vm::Prot prot = vm::kNone;
  Bytes offset = 0;      // of range.start in the store
  vm::ObjectRef object;  // Kind::Object and Kind::Tracked only

  [[nodiscard]] bool same_source(const HostPiece& other) const {
    return kind == other.kind && object == other.object && offset - range.start == other.offset - other.range.start;
  }
};

class HostMap {
 public:
  // The piece that maps a, or null when the host has no mapping there.
  [[nodiscard]] const HostPiece* find(VirtAddr a) const;
  // Calls visit with each piece clipped to r, and with nothing for what is unmapped. visit must not change the map.
  template <class Visit>
  void visit(VirtRange r, Visit&& visit) const {
    auto it = pieces_.upper_bound(r.start);
    if (it != pieces_.begin()) --it;
    for (; it != pieces_.end() && it->second.range.start < r.end; ++it)
      if (it->second.range.overlaps(r)) visit(clip(it->second, r));
  }
  // The gaps of r, ascending.
  [[nodiscard]] std::vector<VirtRange> gaps(VirtRange r) const;

  void set(HostPiece piece);
  void erase(VirtRange r);
  void protect(VirtRange r, vm::Prot prot);
  [[nodiscard]] std::size_t size() const { return pieces_.size(); }
  void check_invariants() const;

 private:
  static HostPiece clip(const HostPiece& p, VirtRange r);
  void split(VirtAddr at);
  void merge(VirtRange around);

  std::map<VirtAddr, HostPiece> pieces_;
};

}  // namespace pagefold::pmap
