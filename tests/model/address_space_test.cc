// AddressSpace against a reference that knows of each of 64 pages what is mapped there.
#include "vm/address_space.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <vector>

namespace pagefold::vm {
namespace {

constexpr PageIndex kPages = 64;
constexpr PageIndex kFirst = 128;  // less than a guard gap above address 0
constexpr Bytes kGuardPages = 256;
constexpr PageIndex kPlacementFirst = 4, kPlacementLast = 60;

VirtAddr address(PageIndex page) { return bytes_of(kFirst + page); }
VirtRange range(PageIndex first, PageIndex last) { return {address(first), address(last)}; }

// What is mapped at one page. Two neighbours belong to one mapping when the second is the successor of the first.
struct Facts {
  Prot prot = kNone;
  bool shared = false, grows_down = false;
  const Object* object = nullptr;
  PageIndex object_page = 0, layer_page = 0;

  [[nodiscard]] Facts successor() const {
    Facts next = *this;
    if (object != nullptr) ++next.object_page;
    ++next.layer_page;
    return next;
  }
  friend bool operator==(const Facts&, const Facts&) = default;
};

Facts facts_at(const Vma& v, VirtAddr a) {
  return {v.prot, v.shared, v.grows_down, v.object.get(), v.object ? page_of(v.object_offset(a)) : 0,
          v.shared ? page_of(a) : v.layer_page(a)};
}

struct Reference {
  std::array<std::optional<Facts>, kPages> pages;

  [[nodiscard]] PageIndex mapped() const {
    return static_cast<PageIndex>(std::count_if(pages.begin(), pages.end(), [](const auto& p) { return p.has_value(); }));
  }
  [[nodiscard]] bool all(PageIndex first, PageIndex last, bool want_mapped) const {
    for (PageIndex p = first; p < last; ++p)
      if (pages[p].has_value() != want_mapped) return false;
    return true;
  }
  [[nodiscard]] std::size_t mappings() const {
    std::size_t count = 0;
    for (PageIndex p = 0; p < kPages; ++p)
      if (pages[p] && (p == 0 || !pages[p - 1] || pages[p - 1]->successor() != *pages[p])) ++count;
    return count;
  }
  // The distance that must stay free below the first mapping at or above `end`.
  [[nodiscard]] bool keeps_distance(PageIndex end) const {
    PageIndex above = end;
    while (above < kPages && !pages[above]) ++above;
    return above == kPages || !pages[above]->grows_down || above - end >= kGuardPages;
  }
  [[nodiscard]] std::optional<VirtAddr> gap(PageIndex size) const {
    for (PageIndex end = kPlacementLast; end >= kPlacementFirst + size; --end)
      if (all(end - size, end, false) && keeps_distance(end)) return address(end - size);
    return std::nullopt;
  }
};

struct Step {
  int kind = 0;
  PageIndex first = 0, length = 1;
  Prot prot = kNone;
  int backing = 0;
  PageIndex base = 0;
};

void showValue(const Step& s, std::ostream& out) {
  out << "{kind " << s.kind << ", " << s.first << "+" << s.length << ", prot " << int{s.prot} << ", backing " << s.backing
      << ", base " << s.base << "}";
}

rc::Gen<Step> any_step() {
  return rc::gen::map(rc::gen::tuple(rc::gen::inRange(0, 7), rc::gen::inRange<PageIndex>(0, kPages),
                                     rc::gen::inRange<PageIndex>(1, 16), rc::gen::inRange(0, 8), rc::gen::inRange(0, 5),
                                     rc::gen::inRange<PageIndex>(0, 3)),
                      [](const auto& t) {
                        const auto [kind, first, length, prot, backing, base] = t;
                        return Step{kind, first, std::min(length, kPages - first), static_cast<Prot>(prot), backing, base};
                      });
}

class Bench {
 public:
  Bench() { space_.set_placement(range(kPlacementFirst, kPlacementLast)); }

  void apply(const Step& s) {
    switch (s.kind) {
      case 0:
      case 1: remove(s), insert(s, s.first); break;
      case 2:
        if (const auto start = space_.find_gap(bytes_of(s.length))) insert(s, page_of(*start) - kFirst);
        break;
      case 3: remove(s); break;
      case 4:
      case 5: modify(s); break;
      default: grow(s);
    }
    check(s);
  }

 private:
  void insert(const Step& s, PageIndex at) {
    Vma v;
    v.range = range(at, at + s.length);
    v.prot = s.prot;
    v.shared = s.backing >= 3;
    v.grows_down = s.backing == 0 && s.base == 2;
    if (s.backing == 2 || s.backing >= 3) v.object = objects_[s.base % objects_.size()];
    // Offsets that often, but not always, continue what lies before.
    if (v.object) v.offset = bytes_of(at + 100 * (s.base % 2));
    v.layer = v.shared || s.base == 0 ? v.range.start : v.range.start + bytes_of(1000 * s.base);
    for (PageIndex p = at; p < at + s.length; ++p) reference_.pages[p] = facts_at(v, address(p));
    const VirtRange r = v.range;
    RC_ASSERT(space_.insert(std::move(v)).range.contains(r));
  }

  void remove(const Step& s) {
    PageIndex seen = s.first;
    for (const Vma& piece : space_.remove(range(s.first, s.first + s.length))) {
      RC_ASSERT(piece.range.start >= address(seen));
      for (VirtAddr a = piece.range.start; a < piece.range.end; a += kPageSize)
        RC_ASSERT(reference_.pages[page_of(a) - kFirst] == facts_at(piece, a));
      RC_ASSERT(reference_.all(seen, page_of(piece.range.start) - kFirst, false));
      seen = page_of(piece.range.end) - kFirst;
    }
    RC_ASSERT(reference_.all(seen, s.first + s.length, false));
    for (PageIndex p = s.first; p < s.first + s.length; ++p) reference_.pages[p].reset();
  }

  void modify(const Step& s) {
    space_.modify(range(s.first, s.first + s.length), [&](Vma& v) { v.prot = s.prot; });
    for (PageIndex p = s.first; p < s.first + s.length; ++p)
      if (reference_.pages[p]) reference_.pages[p]->prot = s.prot;
  }

  void grow(const Step& s) {
    Vma* v = space_.find_from(address(s.first));
    if (v == nullptr || !v->grows_down || v->range.start <= address(s.first)) return;
    const PageIndex old_start = page_of(v->range.start) - kFirst;
    Facts below = *reference_.pages[old_start];
    for (PageIndex p = old_start; p-- > s.first;) {
      --below.layer_page;
      reference_.pages[p] = below;
    }
    RC_ASSERT(space_.grow_down(*v, address(s.first)).range.contains(address(old_start)));
  }

  void check(const Step& s) const {
    space_.check_invariants();
    RC_ASSERT(space_.mapped() == bytes_of(reference_.mapped()));
    RC_ASSERT(space_.peak_mapped() >= space_.mapped());
    RC_ASSERT(space_.all().size() == reference_.mappings());
    for (PageIndex p = 0; p < kPages; ++p) {
      const Vma* v = space_.find(address(p) + 5);
      RC_ASSERT((v != nullptr) == reference_.pages[p].has_value());
      if (v != nullptr) RC_ASSERT(facts_at(*v, address(p)) == *reference_.pages[p]);
    }
    const PageIndex last = s.first + s.length;
    RC_ASSERT(space_.is_free(range(s.first, last)) == reference_.all(s.first, last, false));
    RC_ASSERT(space_.is_covered(range(s.first, last)) == reference_.all(s.first, last, true));
    RC_ASSERT(space_.find_gap(bytes_of(s.length)) == reference_.gap(s.length));
    PageIndex visited = 0;
    space_.visit(range(s.first, last), [&](const Vma& v) { visited += v.range.intersect(range(s.first, last)).pages(); });
    PageIndex mapped = 0;
    for (PageIndex p = s.first; p < last; ++p) mapped += reference_.pages[p].has_value();
    RC_ASSERT(visited == mapped);
  }

  AddressSpace space_;
  Reference reference_;
  std::array<ObjectRef, 2> objects_{std::make_shared<Object>(Object::Kind::File, "one", 1, 1),
                                    std::make_shared<Object>(Object::Kind::File, "two", 1, 2)};
};

RC_GTEST_PROP(AddressSpaceModel, AgreesWithAMapOfPages, ()) {
  const auto steps = *rc::gen::resize(120, rc::gen::container<std::vector<Step>>(any_step()));
  Bench bench;
  for (const Step& step : steps) bench.apply(step);
}

}  // namespace
}  // namespace pagefold::vm
