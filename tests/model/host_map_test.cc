// HostMap against a reference that knows of each of 64 pages what the host maps there.
#include "pmap/host_map.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "model/reach.h"

namespace pagefold::pmap {
namespace {

constexpr PageIndex kPages = 64;

VirtRange range(PageIndex first, PageIndex last) { return {bytes_of(first), bytes_of(last)}; }

struct Step {
  int kind = 0;
  PageIndex first = 0, length = 1;
  int prot = 0, source = 0;
};

void showValue(const Step& s, std::ostream& out) {
  out << "{kind " << s.kind << ", " << s.first << "+" << s.length << ", prot " << s.prot << ", source " << s.source << "}";
}

rc::Gen<Step> any_step() {
  return rc::gen::map(rc::gen::tuple(rc::gen::inRange(0, 4), rc::gen::inRange<PageIndex>(0, kPages),
                                     rc::gen::inRange<PageIndex>(1, 20), rc::gen::inRange(0, 4), rc::gen::inRange(0, 5)),
                      [](const auto& t) {
                        const auto [kind, first, length, prot, source] = t;
                        return Step{kind, first, std::min(length, kPages - first), prot, source};
                      });
}

HostPiece piece_for(const Step& s, const vm::ObjectRef& object) {
  HostPiece piece{range(s.first, s.first + s.length), HostPiece::Kind::Layer, static_cast<vm::Prot>(s.prot), bytes_of(s.first), nullptr};
  if (s.source == 2) piece.offset += bytes_of(500);
  if (s.source == 3) piece.kind = HostPiece::Kind::Object, piece.object = object;
  if (s.source == 4) piece.kind = HostPiece::Kind::Host;
  return piece;
}

void check(const HostMap& map, const std::array<std::optional<Reach>, kPages>& reference, const Step& s) {
  map.check_invariants();
  for (PageIndex p = 0; p < kPages; ++p) {
    const HostPiece* piece = map.find(bytes_of(p) + 9);
    RC_ASSERT((piece != nullptr) == reference[p].has_value());
    if (piece != nullptr) RC_ASSERT(reach_at(*piece, bytes_of(p)) == *reference[p]);
  }
  // The pieces and the gaps of a range, together, are the range; pieces come clipped.
  const VirtRange r = range(s.first, s.first + s.length);
  std::array<int, kPages> covered{};
  map.visit(r, [&](const HostPiece& piece) {
    RC_ASSERT(r.contains(piece.range) && !piece.range.empty());
    for (VirtAddr a = piece.range.start; a < piece.range.end; a += kPageSize) {
      ++covered[page_of(a)];
      RC_ASSERT(reach_at(piece, a) == *reference[page_of(a)]);
    }
  });
  for (const VirtRange gap : map.gaps(r))
    for (VirtAddr a = gap.start; a < gap.end; a += kPageSize) {
      ++covered[page_of(a)];
      RC_ASSERT(!reference[page_of(a)]);
    }
  for (PageIndex p = 0; p < kPages; ++p) RC_ASSERT(covered[p] == (r.contains(bytes_of(p)) ? 1 : 0));
}

// Neighbours that continue each other are one piece, but for the host's own.
std::size_t runs(const std::array<std::optional<Reach>, kPages>& reference) {
  std::size_t count = 0;
  for (PageIndex p = 0; p < kPages; ++p) {
    if (!reference[p] || reference[p]->kind == HostPiece::Kind::Host) continue;
    Reach expected = *reference[p];
    --expected.store_page;
    if (p == 0 || !reference[p - 1] || *reference[p - 1] != expected) ++count;
  }
  return count;
}

RC_GTEST_PROP(HostMapModel, AgreesWithAMapOfPages, ()) {
  const auto steps = *rc::gen::resize(120, rc::gen::container<std::vector<Step>>(any_step()));
  const auto object = std::make_shared<vm::Object>(vm::Object::Kind::File, "file", 1, 1);
  HostMap map;
  std::array<std::optional<Reach>, kPages> reference;
  for (const Step& s : steps) {
    const VirtRange r = range(s.first, s.first + s.length);
    const HostPiece piece = piece_for(s, object);
    if (s.kind <= 1) map.set(piece);
    if (s.kind == 2) map.erase(r);
    if (s.kind == 3) map.protect(r, piece.prot);
    for (PageIndex p = s.first; p < s.first + s.length; ++p) {
      if (s.kind <= 1) reference[p] = reach_at(piece, bytes_of(p));
      if (s.kind == 2) reference[p].reset();
      if (s.kind == 3 && reference[p]) reference[p]->prot = piece.prot;
    }
    check(map, reference, s);
  }
  std::size_t others = 0;
  map.visit(range(0, kPages), [&](const HostPiece& piece) { others += piece.kind != HostPiece::Kind::Host; });
  RC_ASSERT(others == runs(reference));
}

}  // namespace
}  // namespace pagefold::pmap
