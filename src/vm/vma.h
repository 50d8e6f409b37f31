// One mapping: a range of addresses, what may be done there, and what stands behind it. It says what the program was
// promised; whether a page of it has a frame, or the host's page tables know of it, is no concern of the Vma.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/page.h"
#include "vm/fault_around.h"
#include "vm/object.h"

namespace pagefold::vm {

// Protection bits, with the values of PROT_READ, PROT_WRITE, PROT_EXEC.
using Prot = std::uint8_t;
inline constexpr Prot kNone = 0, kRead = 1, kWrite = 2, kExec = 4;

// What has been said of a mapping that only tells it from its neighbours: mremap and mprotect go by mappings.
using Advice = std::uint8_t;
inline constexpr Advice kRandom = 1, kSequential = 2, kHuge = 4, kNotHuge = 8, kLockedOnFault = 16;

enum class Tag : std::uint8_t { None, Heap, Stack, Special };

struct Vma {
  VirtRange range;
  Prot prot = kNone;
  Prot may = kRead | kWrite | kExec;  // what mprotect may still grant
  bool shared = false;
  bool grows_down = false;
  bool locked = false;
  Advice advice = 0;
  bool dont_fork = false;
  bool wipe_on_fork = false;
  bool dont_dump = false;
  bool no_reserve = false;
  Tag tag = Tag::None;
  ObjectRef object;      // null for private anonymous memory
  Bytes offset = 0;      // of range.start in the object
  // Private mappings: byte offset of range.start in the address space's Layer; equals range.start unless it was moved.
  Bytes layer = 0;
  // What must stay open as long as the mapping exists.
  std::shared_ptr<const void> hold;
  // The file was opened by another of its names than the object's: a descriptor that knows this one.
  std::shared_ptr<const UniqueFd> opened_as;
  FaultAround around;

  [[nodiscard]] bool host() const { return object && object->kind() == Object::Kind::Host; }
  [[nodiscard]] bool anonymous() const { return !object; }
  void set_locked(bool is_locked, bool on_fault = false) {
    locked = is_locked;
    advice = static_cast<Advice>((advice & ~kLockedOnFault) | (is_locked && on_fault ? kLockedOnFault : 0));
  }
  [[nodiscard]] bool writable() const { return (prot & kWrite) != 0; }
  // Pages of private mappings that are or were writable belong to the Layer; others show the object's own frames.
  // A private file mapping becomes "layered" when it is first made writable and stays so.
  bool layered = false;
  // The same of private mappings that the host maps itself: they have no layer, but Linux keeps apart what is or was writable and
  // what never was (VM_ACCOUNT).
  bool accounted = false;

  [[nodiscard]] Bytes object_offset(VirtAddr a) const { return offset + (a - range.start); }
  [[nodiscard]] Bytes layer_offset(VirtAddr a) const { return layer + (a - range.start); }
  [[nodiscard]] PageIndex layer_page(VirtAddr a) const { return page_of(layer_offset(a)); }
};

// The part of v within r (which must overlap it), offsets adjusted.
inline Vma clip(const Vma& v, VirtRange r) {
  Vma piece = v;
  piece.range = v.range.intersect(r);
  const Bytes skip = piece.range.start - v.range.start;
  piece.offset = v.offset + (v.object ? skip : 0);
  piece.layer = v.layer + skip;
  return piece;
}

}  // namespace pagefold::vm
