#include "vm/layer.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace pagefold::vm {
namespace {

using PageBuffer = std::array<std::byte, kPageSize>;

// The last page index plus one: an upper bound for "all pages".
constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;

// A bound on what a fork copies ahead of need.
constexpr PageIndex kMostHot = 96;

}  // namespace

Layer::Layer(std::shared_ptr<FrameSource> frames) : frames_(std::move(frames)), family_(std::make_shared<Family>()) {}

Layer::~Layer() {
  std::shared_ptr<Layer> source;
  const std::shared_ptr<Family> family = family_;
  {
    const std::lock_guard lock(family->mutex);
    assert(heirs_.empty());
    if (source_) std::erase(source_->heirs_, this);
    source = std::move(source_);
  }
}

std::shared_ptr<Layer> Layer::fork(const std::shared_ptr<Layer>& source, std::shared_ptr<FrameSource> frames, Hot hot,
                                   std::vector<std::shared_ptr<Layer>>& dropped) {
  source->absorb_retired_source(dropped);
  auto heir = std::make_shared<Layer>(std::move(frames));
  heir->family_ = source->family_;
  heir->source_ = source;
  heir->inherited_ = source->inherited_;
  heir->stored_ = source->stored_;
  source->present_.for_each_run(0, kEnd, [&](PageIndex first, PageIndex last) { heir->inherited_.set_range(first, last); });
  source->given_.clear_all();
  if (hot == Hot::Copy) source->give_hot_pages(*heir);
  source->heirs_.push_back(heir.get());
  return heir;
}

void Layer::give_hot_pages(Layer& heir) {
  constexpr PageIndex kAtOnce = 16;
  std::array<std::byte, bytes_of(kAtOnce)> contents;
  const auto may_go = [&](PageIndex page) { return hot_.test(page) && present_.test(page) && !has_heirs(page); };
  for (PageIndex page = hot_.next(0, kEnd); page < kEnd; page = hot_.next(page, kEnd)) {
    PageIndex end = page;
    while (end < page + kAtOnce && may_go(end)) ++end;
    if (end == page) {
      ++page;
      continue;
    }
    const Bytes size = bytes_of(end - page);
    if (!frames_->read(bytes_of(page), contents.data(), size) || !heir.frames_->write(bytes_of(page), contents.data(), size)) return;
    heir.inherited_.clear_range(page, end);
    heir.present_.set_range(page, end);
    heir.speculative_.set_range(page, end);
    given_.set_range(page, end);
    page = end;
  }
}

void Layer::note_hot(PageIndex page) {
  if (hot_.count() < kMostHot) hot_.set(page);
}

void Layer::note_pulled(PageIndex page) {
  if (source_ && !source_->retired_) source_->note_hot(page);
}

bool Layer::has_heirs(PageIndex page) const {
  return std::any_of(heirs_.begin(), heirs_.end(), [page](const Layer* heir) { return heir->inherited_.test(page); });
}

const Layer* Layer::holder(PageIndex page) const {
  const Layer* layer = this;
  while (layer != nullptr && !layer->present_.test(page))
    layer = layer->inherited_.test(page) ? layer->source_.get() : nullptr;
  return layer;
}

Result<void> Layer::fetch(PageIndex page, void* to) const {
  const Layer* from = holder(page);
  if (from != nullptr) return from->frames_->read(bytes_of(page), to, kPageSize);
  std::memset(to, 0, kPageSize);
  return {};
}

Result<PageIndex> Layer::push(PageIndex page) {
  if (!has_heirs(page)) return 0;
  PageBuffer contents;
  PAGEFOLD_CHECK(fetch(page, contents.data()));
  return push_copy(page, contents.data());
}

Result<PageIndex> Layer::push_copy(PageIndex page, const void* contents) {
  PageIndex copies = 0;
  for (Layer* heir : heirs_) {
    if (!heir->inherited_.test(page)) continue;
    // The heir's page is mapped on touch without write protection, so its own heirs are served now.
    copies += PAGEFOLD_TRY(heir->push_copy(page, contents));
    if (!heir->retired_) {
      PAGEFOLD_CHECK(heir->frames_->write(bytes_of(page), contents, kPageSize));
      heir->present_.set(page);
      ++copies;
    }
    heir->inherited_.clear(page);
  }
  return copies;
}

void Layer::note_filled(PageIndex page, bool speculative) {
  present_.set(page);
  inherited_.clear(page);
  if (speculative) speculative_.set(page);
}

void Layer::guard(PageIndex first, PageIndex last) {
  present_.for_each_run(first, last, [&](PageIndex from, PageIndex to) { guarded_.set_range(from, to); });
}

Result<void> Layer::discard(PageIndex first, PageIndex last) {
  if (!heirs_.empty()) {
    for (const PageSet* set : {&present_, &inherited_})
      for (PageIndex page = set->next(first, last); page < last; page = set->next(page + 1, last))
        PAGEFOLD_CHECK(push(page));
  }
  hot_.clear_range(first, last);
  const PageIndex low = present_.next(first, last);
  if (low < last) PAGEFOLD_CHECK(frames_->release(bytes_of(low), bytes_of(last - low)));
  present_.clear_range(first, last);
  inherited_.clear_range(first, last);
  guarded_.clear_range(first, last);
  speculative_.clear_range(first, last);
  mirrors_.clear_range(first, last);
  stored_.clear_range(first, last);
  return {};
}

Result<void> Layer::drop_mirrors(PageIndex first, PageIndex last) {
  Result<void> done;
  mirrors_.for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    if (auto released = frames_->release(bytes_of(from), bytes_of(to - from)); !released && done) done = std::move(released);
    present_.clear_range(from, to);
    guarded_.clear_range(from, to);
    speculative_.clear_range(from, to);
  });
  mirrors_.clear_range(first, last);
  return done;
}

void Layer::retire() {
  retired_ = true;
  if (heirs_.empty()) return;
  for (PageIndex page = present_.next(0, kEnd); page < kEnd; page = present_.next(page + 1, kEnd)) {
    if (has_heirs(page)) continue;
    (void)frames_->release(bytes_of(page), kPageSize);
    present_.clear(page);
    guarded_.clear(page);
    speculative_.clear(page);
    mirrors_.clear(page);
  }
}

// A chain of processes in which each forks and ends (shells, daemons) would grow a chain of layers without bound: a retired
// source whose only heir is this layer hands its pages over.
void Layer::absorb_retired_source(std::vector<std::shared_ptr<Layer>>& dropped) {
  while (source_ && source_->retired_ && source_->heirs_.size() == 1) {
    const std::shared_ptr<Layer> old = source_;
    dropped.push_back(old);
    PageBuffer contents;
    for (PageIndex page = inherited_.next(0, kEnd); page < kEnd; page = inherited_.next(page + 1, kEnd)) {
      if (!old->present_.test(page)) continue;
      if (!old->frames_->read(bytes_of(page), contents.data(), kPageSize)) return;
      // With a frame of this layer the host may map the page without an event, so heirs must not depend on it any more.
      if (!push_copy(page, contents.data())) return;
      if (!frames_->write(bytes_of(page), contents.data(), kPageSize)) return;
      inherited_.clear(page);
      present_.set(page);
    }
    old->heirs_.clear();
    source_ = old->source_;
    if (source_) std::replace(source_->heirs_.begin(), source_->heirs_.end(), old.get(), this);
    old->source_.reset();
  }
}

void Layer::check_invariants() const {
  for (const PageSet* set : {&present_, &inherited_, &guarded_, &speculative_, &mirrors_, &stored_}) set->check_invariants();
  const auto within = [](const PageSet& part, const PageSet& whole) {
    bool is = true;
    part.for_each_run(0, kEnd, [&](PageIndex a, PageIndex b) { is = is && whole.next_gap(a, b) == b; });
    return is;
  };
  assert(within(guarded_, present_));
  assert(within(speculative_, present_));
  assert(within(mirrors_, present_));
  present_.for_each_run(0, kEnd, [&]([[maybe_unused]] PageIndex a, [[maybe_unused]] PageIndex b) { assert(!inherited_.any(a, b)); });
  assert(inherited_.empty() || source_ != nullptr);
  for (PageIndex page = inherited_.next(0, kEnd); page < kEnd; page = inherited_.next(page + 1, kEnd))
    assert(holder(page) != nullptr);
  (void)within;
}

}  // namespace pagefold::vm
