// Layers against processes that each have a full copy of 16 pages: whatever forks, stores, discards and exits happen in
// whatever order, every process sees exactly its own bytes. Processes behave as the kernel room does: a page that is present
// and not guarded is stored to without anybody being asked.
#include "vm/layer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "memory_frames.h"

namespace pagefold::vm {
namespace {

constexpr PageIndex kPages = 16;
constexpr std::size_t kMostProcesses = 10;

struct Process {
  std::shared_ptr<MemoryFrames> frames;
  std::shared_ptr<Layer> layer;
  std::array<std::uint64_t, kPages> truth{};
};

struct Step {
  enum Kind { Load, Store, StoreAhead, WriteFromOutside, Discard, Fork, Exit, FailSoon };
  int kind = Load;
  unsigned process = 0;
  PageIndex page = 0, length = 1;
  int delay = 0;
};

void showValue(const Step& s, std::ostream& out) {
  static constexpr std::array kNames{"load", "store", "store ahead", "write from outside", "discard", "fork", "exit", "fail soon"};
  out << "{" << kNames[static_cast<std::size_t>(s.kind)] << " process " << s.process << ", page " << s.page << "+" << s.length << ", "
      << s.delay << "}";
}

rc::Gen<Step> any_step() {
  const auto kind = rc::gen::weightedElement<int>({{4, Step::Load}, {6, Step::Store}, {2, Step::StoreAhead}, {2, Step::WriteFromOutside},
                                                   {3, Step::Discard}, {4, Step::Fork}, {3, Step::Exit}, {1, Step::FailSoon}});
  return rc::gen::map(rc::gen::tuple(kind, rc::gen::inRange(0U, 64U), rc::gen::inRange<PageIndex>(0, kPages),
                                     rc::gen::inRange<PageIndex>(1, 6), rc::gen::inRange(0, 4)),
                      [](const auto& t) {
                        const auto [what, process, page, length, delay] = t;
                        return Step{what, process, page, std::min(length, kPages - page), delay};
                      });
}

class Machine {
 public:
  Machine() {
    Process first;
    first.frames = std::make_shared<MemoryFrames>(&budget_);
    first.layer = std::make_shared<Layer>(first.frames);
    note_layer(first);
    processes_.push_back(std::move(first));
  }

  void apply(const Step& s) {
    if (processes_.empty()) return;
    const std::size_t index = s.process % processes_.size();
    Process& p = processes_[index];
    switch (s.kind) {
      case Step::Load: load(p, s.page); break;
      case Step::Store: store(p, s.page); break;
      case Step::StoreAhead: store_ahead(p, s.page, s.page + s.length); break;
      case Step::WriteFromOutside: write_from_outside(p, s.page); break;
      case Step::Discard: discard(p, s.page, s.page + s.length); break;
      case Step::Fork: fork(index); break;
      case Step::Exit: exit(index); break;
      default: budget_ = s.delay;
    }
    check();
  }

 private:
  using PageBuffer = std::array<std::byte, kPageSize>;

  static PageBuffer filled_with(std::uint64_t value) {
    PageBuffer contents{};
    std::memcpy(contents.data(), &value, sizeof value);
    std::memcpy(contents.data() + kPageSize - sizeof value, &value, sizeof value);
    return contents;
  }

  // The processor's own store, to a page that is mapped.
  void put(Process& p, PageIndex page) {
    const std::uint64_t value = ++last_value_;
    const int budget = std::exchange(budget_, -1);
    RC_ASSERT(p.frames->write(bytes_of(page), filled_with(value).data(), kPageSize).has_value());
    budget_ = budget;
    p.truth[page] = value;
  }

  // A fault (kernel/fault/fault.cc). False when a frame could not be had: the access does not happen.
  bool fault_in(Process& p, PageIndex page, bool write) {
    const std::lock_guard lock(p.layer->mutex());
    Layer& layer = *p.layer;
    if (layer.present().test(page)) {
      if (!write || !layer.guarded().test(page)) return true;
      if (!layer.push(page)) return false;
      layer.unguard(page);
      layer.note_hot(page);
      return true;
    }
    if (!layer.inherited().test(page)) {
      layer.note_filled(page, false);
      return true;
    }
    PageBuffer contents;
    RC_ASSERT(layer.fetch(page, contents.data()).has_value());
    bool guard = layer.has_heirs(page);
    if (guard && write) {
      if (!layer.push(page)) return false;
      guard = false;
    }
    if (!p.frames->write(bytes_of(page), contents.data(), kPageSize)) return false;
    layer.note_filled(page, false);
    layer.note_pulled(page);
    if (guard) layer.guard(page, page + 1);
    return true;
  }

  void load(Process& p, PageIndex page) {
    if (fault_in(p, page, false)) RC_ASSERT(p.layer->present().test(page));
  }

  void store(Process& p, PageIndex page) {
    if (fault_in(p, page, true)) put(p, page);
  }

  // Fault-around: fresh pages are given ahead of their touch.
  void store_ahead(Process& p, PageIndex page, PageIndex last) {
    if (!fault_in(p, page, true)) return;
    {
      const std::lock_guard lock(p.layer->mutex());
      for (PageIndex ahead = page + 1; ahead < last; ++ahead)
        if (!p.layer->present().test(ahead) && !p.layer->inherited().test(ahead)) p.layer->note_filled(ahead, true);
      p.layer->note_touched(page);
    }
    put(p, page);
  }

  // kernel/memory/guest_memory.cc: the supervisor stores a part of a page for the process.
  void write_from_outside(Process& p, PageIndex page) {
    const std::lock_guard lock(p.layer->mutex());
    if (!p.layer->push(page)) return;
    if (!p.layer->present().test(page)) {
      PageBuffer contents;
      RC_ASSERT(p.layer->fetch(page, contents.data()).has_value());
      if (!p.frames->write(bytes_of(page), contents.data(), kPageSize)) return;
      p.layer->note_filled(page, false);
    }
    put(p, page);
  }

  void discard(Process& p, PageIndex first, PageIndex last) {
    const std::lock_guard lock(p.layer->mutex());
    if (p.layer->discard(first, last)) std::fill(p.truth.begin() + static_cast<long>(first), p.truth.begin() + static_cast<long>(last), 0);
  }

  void fork(std::size_t index) {
    if (processes_.size() >= kMostProcesses) return;
    Process child;
    std::vector<std::shared_ptr<Layer>> dropped;
    child.frames = std::make_shared<MemoryFrames>(&budget_);
    {
      Process& forking = processes_[index];
      Layer& parent = *forking.layer;
      const std::lock_guard lock(parent.mutex());
      const PageSet before = parent.present();
      child.layer = Layer::fork(forking.layer, child.frames, vm::Layer::Hot::Copy, dropped);
      // Another thread stores to pages that fork itself put there, before they are guarded.
      for (PageIndex page = 0; page < kPages; ++page)
        if (parent.present().test(page) && !before.test(page) && child.layer->inherited().test(page)) put(forking, page);
      child.truth = forking.truth;
      parent.guard(0, kPages);
      // Pages copied at once have nobody who depends on them, and stay writable.
      parent.given().for_each_run(0, kPages, [&](PageIndex from, PageIndex to) {
        for (PageIndex page = from; page < to; ++page) parent.unguard(page);
      });
    }
    note_layer(child);
    processes_.push_back(std::move(child));
  }

  void exit(std::size_t index) {
    {
      const std::lock_guard lock(processes_[index].layer->mutex());
      processes_[index].layer->retire();
    }
    processes_.erase(processes_.begin() + static_cast<long>(index));
  }

  void note_layer(const Process& p) { all_layers_.push_back(p.layer); }

  void check() {
    for (const auto& weak : all_layers_) {
      const auto layer = weak.lock();
      if (!layer) continue;
      const std::lock_guard lock(layer->mutex());
      layer->check_invariants();
    }
    for (const Process& p : processes_) {
      const std::lock_guard lock(p.layer->mutex());
      for (PageIndex page = 0; page < kPages; ++page) {
        PageBuffer seen;
        RC_ASSERT(p.layer->fetch(page, seen.data()).has_value());
        RC_ASSERT(seen == filled_with(p.truth[page]));
        // Nobody may store to a page unasked that an heir still reads here.
        const bool unasked = p.layer->present().test(page) && !p.layer->guarded().test(page);
        RC_ASSERT(!(unasked && p.layer->has_heirs(page)));
      }
    }
  }

  int budget_ = -1;
  std::uint64_t last_value_ = 0;
  std::vector<std::weak_ptr<Layer>> all_layers_;
  std::vector<Process> processes_;
};

RC_GTEST_PROP(LayerModel, EveryProcessSeesItsOwnBytes, ()) {
  const auto steps = *rc::gen::resize(300, rc::gen::container<std::vector<Step>>(any_step()));
  Machine machine;
  for (const Step& step : steps) machine.apply(step);
}

// One process of a tree, for the tests below.
struct Member {
  std::shared_ptr<MemoryFrames> frames = std::make_shared<MemoryFrames>();
  std::shared_ptr<Layer> layer;

  static Member first(PageIndex pages) {
    Member m;
    m.layer = std::make_shared<Layer>(m.frames);
    for (PageIndex page = 0; page < pages; ++page) m.store(page, 'a');
    return m;
  }
  [[nodiscard]] Member fork() const {
    Member child;
    std::vector<std::shared_ptr<Layer>> dropped;
    {
      const std::lock_guard lock(layer->mutex());
      child.layer = Layer::fork(layer, child.frames, vm::Layer::Hot::Copy, dropped);
      layer->guard(0, kPages);
    }
    return child;
  }
  void store(PageIndex page, char value) const {
    EXPECT_TRUE(frames->write(bytes_of(page), &value, 1));
    layer->note_filled(page, false);
  }
  [[nodiscard]] char load(PageIndex page) const {
    std::array<char, kPageSize> contents{};
    EXPECT_TRUE(layer->fetch(page, contents.data()));
    return contents[0];
  }
  void exit() {
    const std::unique_lock lock(layer->mutex());
    layer->retire();
  }
};

TEST(Layer, ChainsOfForkAndExitKeepOneLayer) {
  Member current = Member::first(4);
  std::vector<std::weak_ptr<Layer>> all;
  for (int generation = 0; generation < 100; ++generation) {
    Member child = current.fork();
    all.push_back(current.layer);
    current.exit();
    current = std::move(child);
  }
  const Member last = current.fork();  // takes over what its parent's dead parent kept
  EXPECT_LE(std::count_if(all.begin(), all.end(), [](const auto& layer) { return !layer.expired(); }), 1);
  for (PageIndex page = 0; page < 4; ++page) EXPECT_EQ(last.load(page), 'a');
}

TEST(Layer, TheDeadKeepOnlyWhatHeirsInherit) {
  Member parent = Member::first(4);
  const Member child = parent.fork();
  parent.store(7, 'b');  // after the fork: nobody inherits it
  parent.exit();
  EXPECT_EQ(parent.frames->count(), 4U);
  EXPECT_FALSE(parent.frames->has(7));
  EXPECT_EQ(child.load(3), 'a');
  EXPECT_EQ(child.load(7), 0);
}

TEST(Layer, TheDeadGetNoCopies) {
  const Member grandparent = Member::first(4);
  Member parent = grandparent.fork();
  const Member child = parent.fork();
  parent.exit();
  const auto copies = grandparent.layer->push(2);
  ASSERT_TRUE(copies);
  EXPECT_EQ(*copies, 1U);
  EXPECT_FALSE(parent.frames->has(2));
  EXPECT_TRUE(child.frames->has(2));
  grandparent.store(2, 'z');
  EXPECT_EQ(child.load(2), 'a');
  EXPECT_EQ(child.load(3), 'a');
}

TEST(Layer, MirrorsGoAndWhatWasStoredIntoStays) {
  const Member member = Member::first(4);
  member.layer->note_mirrors(1, 4);
  member.layer->unmirror(2);
  ASSERT_TRUE(member.layer->drop_mirrors(0, 4));
  EXPECT_TRUE(member.layer->present().test(0));
  EXPECT_FALSE(member.layer->present().test(1));
  EXPECT_TRUE(member.layer->present().test(2));
  EXPECT_FALSE(member.layer->present().test(3));
  EXPECT_FALSE(member.frames->has(1));
  EXPECT_TRUE(member.frames->has(2));
  EXPECT_TRUE(member.layer->mirrors().empty());
  member.layer->check_invariants();
}

TEST(Layer, AnHeirKnowsWhatWasStoredIntoBeforeTheFork) {
  const Member parent = Member::first(3);
  parent.layer->note_stored(0, 1);
  Member child;
  child.frames = std::make_shared<MemoryFrames>();
  std::vector<std::shared_ptr<Layer>> dropped;
  child.layer = Layer::fork(parent.layer, child.frames, vm::Layer::Hot::Leave, dropped);
  parent.layer->note_stored(1, 2);
  EXPECT_TRUE(child.layer->stored().test(0));
  EXPECT_FALSE(child.layer->stored().test(1));
  ASSERT_TRUE(child.layer->discard(0, 1));
  EXPECT_FALSE(child.layer->stored().test(0));
  EXPECT_TRUE(parent.layer->stored().test(0));
}

TEST(Layer, AFailedPushLeavesEveryoneAsBefore) {
  int budget = 0;
  const Member parent = Member::first(1);
  Member child;
  child.frames = std::make_shared<MemoryFrames>(&budget);
  std::vector<std::shared_ptr<Layer>> dropped;
  child.layer = Layer::fork(parent.layer, child.frames, vm::Layer::Hot::Copy, dropped);
  const auto copies = parent.layer->push(0);
  ASSERT_FALSE(copies);
  EXPECT_EQ(copies.error().code, ENOMEM);
  EXPECT_TRUE(parent.layer->has_heirs(0));
  EXPECT_EQ(child.load(0), 'a');
  EXPECT_TRUE(parent.layer->push(0));
  parent.store(0, 'z');
  EXPECT_EQ(child.load(0), 'a');
}

}  // namespace
}  // namespace pagefold::vm
