// Pages, addresses and ranges. Addresses and lengths are bytes (Bytes, VirtAddr); a PageIndex counts pages of an object.
// The page size is a constant of the architecture, never a literal elsewhere.
#pragma once

#include <cstdint>

namespace pagefold {

using Bytes = std::uint64_t;
using VirtAddr = std::uint64_t;
using PageIndex = std::uint64_t;

inline constexpr unsigned kPageShift = 12;
inline constexpr Bytes kPageSize = Bytes{1} << kPageShift;
inline constexpr Bytes kPageMask = kPageSize - 1;
// One past the highest address a program can use (x86-64, four-level page tables; Linux TASK_SIZE).
inline constexpr VirtAddr kUserTop = 0x7ffffffff000;

constexpr VirtAddr page_down(VirtAddr a) { return a & ~kPageMask; }
constexpr VirtAddr page_up(VirtAddr a) { return (a + kPageMask) & ~kPageMask; }
constexpr bool page_aligned(VirtAddr a) { return (a & kPageMask) == 0; }
constexpr PageIndex page_of(Bytes offset) { return offset >> kPageShift; }
constexpr Bytes bytes_of(PageIndex pages) { return pages << kPageShift; }

// Half-open [start, end), in bytes.
struct VirtRange {
  VirtAddr start = 0;
  VirtAddr end = 0;

  [[nodiscard]] constexpr Bytes size() const { return end - start; }
  [[nodiscard]] constexpr bool empty() const { return end <= start; }
  [[nodiscard]] constexpr PageIndex pages() const { return size() >> kPageShift; }
  [[nodiscard]] constexpr bool contains(VirtAddr a) const { return a >= start && a < end; }
  [[nodiscard]] constexpr bool contains(VirtRange r) const { return r.start >= start && r.end <= end; }
  [[nodiscard]] constexpr bool overlaps(VirtRange r) const { return start < r.end && r.start < end; }
  [[nodiscard]] constexpr VirtRange intersect(VirtRange r) const {
    const VirtAddr lo = start > r.start ? start : r.start;
    const VirtAddr hi = end < r.end ? end : r.end;
    return lo < hi ? VirtRange{lo, hi} : VirtRange{lo, lo};
  }
  friend constexpr bool operator==(VirtRange, VirtRange) = default;
};

}  // namespace pagefold
