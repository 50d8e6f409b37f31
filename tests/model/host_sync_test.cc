// plan() against a host made of 64 pages: after any change of the model and the operations that plan() asks for, no page can
// be reached that the model would not grant, in the way it would grant it. A difference may stay only where the host has the
// background and no frame can lie under it: there the next touch faults, and is served by an eager plan.
#include "kernel/sync/host_sync.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "cache/file_cache.h"
#include "kernel/calls.h"
#include "model/reach.h"

namespace pagefold::kernel {
namespace {

using pmap::HostPiece;
using pmap::Reach;
using pmap::reach_at;

constexpr PageIndex kPages = 64, kFirst = 0x10000;
constexpr PageIndex kBackgroundFirst = 6, kBackgroundLast = 58;
constexpr vm::Prot kReadWrite = vm::kRead | vm::kWrite;

VirtAddr address(PageIndex page) { return bytes_of(kFirst + page); }
VirtRange range(PageIndex first, PageIndex last) { return {address(first), address(last)}; }

struct Step {
  enum Kind { MapPrivate, MapFilePrivate, MapShared, MapByHost, Unmap, Protect, Touch, Discard, Move, MoveKeepingOld, ParentStores, Settle };
  int kind = MapPrivate;
  PageIndex first = 0, length = 1, target = 0;
  vm::Prot prot = vm::kNone;
};

void showValue(const Step& s, std::ostream& out) {
  static constexpr std::array kNames{"map private", "map file", "map shared", "map by host", "unmap", "protect", "touch", "discard",
                                     "move", "move keeping old", "parent stores", "settle"};
  out << "{" << kNames[static_cast<std::size_t>(s.kind)] << " " << s.first << "+" << s.length << ", prot " << int{s.prot} << ", to "
      << s.target << "}";
}

rc::Gen<Step> any_step() {
  const auto kind = rc::gen::weightedElement<int>({{5, Step::MapPrivate}, {2, Step::MapFilePrivate}, {1, Step::MapShared}, {1, Step::MapByHost},
                                                   {3, Step::Unmap}, {5, Step::Protect}, {8, Step::Touch}, {1, Step::Discard}, {2, Step::Move},
                                                   {1, Step::MoveKeepingOld}, {4, Step::ParentStores}, {1, Step::Settle}});
  return rc::gen::map(rc::gen::tuple(kind, rc::gen::inRange<PageIndex>(0, kPages), rc::gen::inRange<PageIndex>(1, 12),
                                     rc::gen::inRange<PageIndex>(0, kPages), rc::gen::element<int>(0, 1, 3, 3, 3, 5, 7)),
                      [](const auto& t) {
                        const auto [what, first, length, target, prot] = t;
                        const PageIndex most = std::min(length, kPages - std::max(first, target));
                        return Step{what, first, most, target, static_cast<vm::Prot>(prot)};
                      });
}

class Guest {
 public:
  Guest() : parent_(std::make_shared<vm::Layer>(store("parent"))) {
    auto made = Space::create(0);
    RC_ASSERT(made.has_value());
    space_ = std::move(*made);
    for (PageIndex p = 0; p < kPages; p += 3) parent_->note_filled(kFirst + p, false);
    std::vector<std::shared_ptr<vm::Layer>> dropped;
    space_->layer = vm::Layer::fork(parent_, space_->store, vm::Layer::Hot::Copy, dropped);
    space_->background.push_back(range(kBackgroundFirst, kBackgroundLast));
    // The parent had one private mapping over half of the area, and so has its child at first.
    insert({Step::MapPrivate, 0, kPages / 2, 0, kReadWrite}, nullptr, false);
    (void)space_->layer->discard(kFirst + kPages / 2, kFirst + kPages);
    bring_in_line(range(0, kPages), Urgency::Eager);
  }

  void apply(const Step& s) {
    const VirtRange r = range(s.first, s.first + s.length);
    switch (s.kind) {
      case Step::MapPrivate: map(s, nullptr, false); break;
      case Step::MapFilePrivate: map(s, file_, false); break;
      case Step::MapShared: map(s, shared_, true); break;
      case Step::MapByHost: map_by_host(s); break;
      case Step::Unmap: RC_ASSERT(unmap_range(*space_, r).has_value()), bring_in_line(r, Urgency::Lazy); break;
      case Step::Protect: protect(r, s.prot); break;
      case Step::Touch: touch(address(s.first)); break;
      case Step::Discard: discard(r); break;
      case Step::Move: move(s, false); break;
      case Step::MoveKeepingOld: move(s, true); break;
      case Step::ParentStores: RC_ASSERT(parent_->push(kFirst + s.first).has_value()); break;
      default: settle();
    }
    check();
  }

 private:
  static std::shared_ptr<frame::Store> store(const char* name) { return std::move(*frame::Store::create(name, bytes_of(kFirst + kPages))); }

  void bring_in_line(VirtRange r, Urgency urgency) { carry_out(plan(*space_, r, urgency)); }

  void carry_out(const std::vector<HostOp>& ops) {
    for (const HostOp& op : ops) {
      RC_ASSERT(range(0, kPages).contains(op.piece.range));
      for (VirtAddr a = op.piece.range.start; a < op.piece.range.end; a += kPageSize) {
        auto& page = host_[page_of(a) - kFirst];
        if (op.kind == HostOp::Kind::Map) page = reach_at(op.piece, a);
        if (op.kind == HostOp::Kind::Unmap) page.reset();
        if (op.kind == HostOp::Kind::Protect) {
          RC_ASSERT(page.has_value());  // mprotect(2) of a hole would be ENOMEM
          page->prot = op.piece.prot;
        }
      }
    }
    note(*space_, ops);
  }

  vm::Vma& insert(const Step& s, const vm::ObjectRef& object, bool shared) {
    vm::Vma v;
    v.range = range(s.first, s.first + s.length);
    v.prot = s.prot;
    v.shared = shared;
    v.object = object;
    v.layered = !shared && (!object || v.writable());
    v.layer = space_->choose_layer(v.range);
    return space_->map.insert(std::move(v));
  }

  void map(const Step& s, const vm::ObjectRef& object, bool shared) {
    const VirtRange r = range(s.first, s.first + s.length);
    RC_ASSERT(unmap_range(*space_, r).has_value());
    insert(s, object, shared);
    bring_in_line(r, Urgency::Lazy);
  }

  // The host maps first, then the model learns of it (mm_map.cc).
  void map_by_host(const Step& s) {
    vm::Vma v;
    v.range = range(s.first, s.first + s.length);
    v.prot = s.prot;
    v.object = std::make_shared<cache::HostObject>("device", 1, 7);
    v.layer = v.range.start;
    HostOp op;
    op.piece = wanted(v);
    carry_out({op});
    RC_ASSERT(unmap_range(*space_, v.range).has_value());
    space_->map.insert(std::move(v));
  }

  void protect(VirtRange r, vm::Prot prot) {
    space_->map.modify(r, [&](vm::Vma& v) {
      v.prot = prot;
      if (!v.shared && !v.host() && (prot & vm::kWrite) != 0) v.layered = true;
    });
    bring_in_line(r, Urgency::Lazy);
  }

  // A load, or a store where that is allowed: without a fault where a frame can be reached, otherwise served.
  void touch(VirtAddr a) {
    const vm::Vma* v = space_->map.find(a);
    if (v == nullptr || v->prot == vm::kNone || v->host()) return;
    if (reach(a) != reach_at(wanted(*v), a)) bring_in_line(v->range, Urgency::Eager);
    RC_ASSERT(reach(a) == reach_at(wanted(*v), a));
    if (wanted(*v).kind == HostPiece::Kind::Layer) space_->layer->note_filled(v->layer_page(a), false);
  }

  void discard(VirtRange r) {
    space_->map.visit(r, [&](const vm::Vma& v) {
      const VirtRange part = v.range.intersect(r);
      if (v.layered) RC_ASSERT(space_->layer->discard(v.layer_page(part.start), v.layer_page(part.start) + part.pages()).has_value());
    });
  }

  // mm_move.cc, for one private mapping: its range of the layer goes with it.
  void move(const Step& s, bool keep_old) {
    const VirtRange from = range(s.first, s.first + s.length), to = range(s.target, s.target + s.length);
    const vm::Vma* found = space_->map.find(from.start);
    if (found == nullptr || !found->range.contains(from) || from.overlaps(to) || !found->layered) return;
    const vm::Vma old = vm::clip(*found, from);
    RC_ASSERT(unmap_range(*space_, to).has_value());
    space_->map.remove(from);
    vm::Vma moved = old;
    moved.range = to;
    space_->lend_layer(moved);
    space_->map.insert(std::move(moved));
    if (keep_old) {
      vm::Vma fresh = old;
      fresh.layer = space_->choose_layer(from);
      space_->map.insert(std::move(fresh));
    }
    bring_in_line(to, Urgency::Eager);
    bring_in_line(from, Urgency::Lazy);
  }

  void settle() {
    bring_in_line(range(0, kPages), Urgency::Eager);
    RC_ASSERT(plan(*space_, range(0, kPages), Urgency::Eager).empty());
    for (const auto& [start, v] : space_->map.all())
      for (VirtAddr a = start; a < v.range.end; a += kPageSize) RC_ASSERT(reach(a) == reach_at(wanted(v), a));
  }

  [[nodiscard]] std::optional<Reach> reach(VirtAddr a) const { return host_[page_of(a) - kFirst]; }

  // A frame lies there, or may come to lie there without a fault at this address (a parent's push).
  [[nodiscard]] bool may_have_frame(const Reach& reach) const {
    const vm::Layer& layer = *space_->layer;
    return layer.present().test(reach.store_page) || layer.inherited().test(reach.store_page);
  }

  void check() const {
    space_->check_invariants();
    for (PageIndex p = 0; p < kPages; ++p) {
      const VirtAddr a = address(p);
      const HostPiece* known = space_->host.find(a);
      RC_ASSERT((known != nullptr) == host_[p].has_value());
      if (known != nullptr) RC_ASSERT(reach_at(*known, a) == *host_[p]);
      const vm::Vma* v = space_->map.find(a);
      if (v != nullptr && host_[p] == reach_at(wanted(*v), a)) continue;
      if (v == nullptr && !host_[p]) continue;  // a touch is refused by the host itself
      // What differs must be background, with no frame that could be reached through it.
      RC_ASSERT(host_[p].has_value());
      RC_ASSERT(*host_[p] == (Reach{HostPiece::Kind::Layer, kReadWrite, kFirst + p, nullptr}));
      RC_ASSERT(!space_->is_lent({a, a + kPageSize}));
      RC_ASSERT(!may_have_frame(*host_[p]));
      const bool executable = v != nullptr && (v->prot & vm::kExec) != 0;
      RC_ASSERT(!executable);  // an instruction fetch from the background is refused without a fault
    }
  }

  std::shared_ptr<vm::Layer> parent_;
  SpaceRef space_;
  std::array<std::optional<Reach>, kPages> host_;
  vm::ObjectRef file_ = std::make_shared<vm::Object>(vm::Object::Kind::File, "file", 1, 1);
  vm::ObjectRef shared_ = std::make_shared<vm::Object>(vm::Object::Kind::Shared, "shared", 0, 0);
};

RC_GTEST_PROP(HostSyncModel, NothingIsReachedThatTheModelDoesNotGrant, ()) {
  const auto steps = *rc::gen::resize(120, rc::gen::container<std::vector<Step>>(any_step()));
  Guest guest;
  for (const Step& step : steps) guest.apply(step);
}

class HostSync : public testing::Test {
 protected:
  static constexpr VirtRange kArea{0x10000000, 0x10010000};

  void SetUp() override {
    auto made = Space::create(0);
    ASSERT_TRUE(made);
    space_ = std::move(*made);
    space_->background.push_back(kArea);
    follow(kArea, Urgency::Eager);
  }
  void follow(VirtRange r, Urgency urgency) { note(*space_, plan(*space_, r, urgency)); }
  vm::Vma& map(VirtRange r, vm::Prot prot) {
    vm::Vma v;
    v.range = r;
    v.prot = prot;
    v.layered = true;
    v.layer = space_->choose_layer(r);
    return space_->map.insert(std::move(v));
  }
  // As mremap with MREMAP_DONTUNMAP, or without.
  void move(VirtRange from, VirtAddr to) {
    vm::Vma moved = space_->map.remove(from).front();
    moved.range = {to, to + from.size()};
    space_->lend_layer(moved);
    space_->map.insert(std::move(moved));
    follow({to, to + from.size()}, Urgency::Eager);
  }

  SpaceRef space_;
};

constexpr VirtRange kOne{0x10004000, 0x10005000};

TEST_F(HostSync, UntouchedMemoryNeedsNoOperation) {
  map({kOne.start, kOne.end + 0x4000}, vm::kRead);
  EXPECT_TRUE(plan(*space_, kArea, Urgency::Lazy).empty());
  EXPECT_EQ(plan(*space_, kArea, Urgency::Eager).size(), 1U);
}

// A child takes the right to write from memory it shares with its parent; the parent then stores there and its push puts a
// frame under the child's page. The child must not be able to write to it unasked.
TEST_F(HostSync, ProtectionOfInheritedPagesIsNotPutOff) {
  const auto parent = std::make_shared<vm::Layer>(space_->store);
  parent->note_filled(page_of(kOne.start), false);
  std::vector<std::shared_ptr<vm::Layer>> dropped;
  space_->layer = vm::Layer::fork(parent, space_->store, vm::Layer::Hot::Copy, dropped);
  map(kOne, kReadWrite);
  space_->map.modify(kOne, [](vm::Vma& v) { v.prot = vm::kRead; });
  const auto ops = plan(*space_, kOne, Urgency::Lazy);
  ASSERT_EQ(ops.size(), 1U);
  EXPECT_EQ(ops[0].kind, HostOp::Kind::Protect);
  EXPECT_EQ(ops[0].piece.prot, vm::kRead);
}

TEST_F(HostSync, NewMemoryDoesNotShowTheLayerOfWhatWasMovedAway) {
  map(kOne, kReadWrite);
  move(kOne, 0x10008000);
  map(kOne, kReadWrite);
  const auto ops = plan(*space_, kOne, Urgency::Lazy);
  ASSERT_EQ(ops.size(), 1U);
  EXPECT_EQ(ops[0].kind, HostOp::Kind::Map);
  EXPECT_NE(ops[0].piece.offset, kOne.start);
}

TEST_F(HostSync, OnlyLentPagesLoseTheBackground) {
  map(kOne, kReadWrite);
  move(kOne, 0x10008000);
  follow(kArea, Urgency::Lazy);
  EXPECT_EQ(space_->host.find(kOne.start), nullptr);
  EXPECT_NE(space_->host.find(kOne.start - 1), nullptr);
  EXPECT_NE(space_->host.find(kOne.end), nullptr);
}

// A mapping that came home lends nothing, or else only half of it would count as lent when it leaves again.
TEST_F(HostSync, WhatComesHomeIsNoLongerLent) {
  map(kOne, kReadWrite);
  move(kOne, 0x10008000);
  EXPECT_TRUE(space_->is_lent(kOne));
  move({0x10008000, 0x10009000}, kOne.start);
  EXPECT_FALSE(space_->is_lent(kOne));
  const VirtRange both{kOne.start, kOne.end + kPageSize};
  map({kOne.end, both.end}, kReadWrite);
  ASSERT_EQ(space_->map.all().size(), 1U);
  move(both, 0x1000a000);
  EXPECT_NE(space_->choose_layer({kOne.end, both.end}), kOne.end);
  EXPECT_NE(space_->choose_layer(kOne), kOne.start);
}

}  // namespace
}  // namespace pagefold::kernel
