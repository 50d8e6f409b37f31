#include "reclaim/reference_sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pagefold::reclaim {
namespace {

// The window is never smaller: one instruction may need as many pages at once.
constexpr std::size_t kLeastWindow = 8;
// A touch that is seen costs some 30 us. When so many of them take most of the time, fewer pages are sampled, as long as
// there are more than these.
constexpr std::uint64_t kLookEvery = 512;
constexpr std::chrono::microseconds kTooFast{kLookEvery * 60};
constexpr std::size_t kFewest = 1024;
constexpr std::uint64_t kCheap = 32768;  // a second's worth of touches is not too much for anybody

}  // namespace

double ReuseDistances::beyond(PageIndex frames) const {
  double touches = 0;
  for (std::size_t step = (frames + kGrain - 1) / kGrain; step < at.size(); ++step) touches += at[step];
  return touches;
}

// splitmix64 (Steele et al. 2014): as good as random, the same in every run.
ReferenceSampler::Hash ReferenceSampler::hash_of(FrameKey frame) {
  std::uint64_t x = frame + 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<Hash>((x ^ (x >> 31)) >> 32);
}

// How many pages there are is known, so the part that is sampled need not be estimated from the threshold.
double ReferenceSampler::rate() const {
  const std::size_t all = slots_.size() + others_.size();
  return all == 0 ? 1 : static_cast<double>(slots_.size()) / static_cast<double>(all);
}

std::size_t ReferenceSampler::window() const {
  return std::max(kLeastWindow, static_cast<std::size_t>(static_cast<double>(window_pages_) * rate()));
}

std::size_t ReferenceSampler::due() const {
  const std::size_t stay = window();
  return window_.size() > stay ? window_.size() - stay : 0;
}

std::optional<FrameKey> ReferenceSampler::take_due() {
  if (due() == 0) return std::nullopt;
  const FrameKey frame = window_.front().frame;
  window_.pop_front();
  return frame;
}

void ReferenceSampler::touch(FrameKey frame) {
  const Hash hash = hash_of(frame);
  if (hash >= threshold_) {
    if (others_.insert(frame).second) came_first();
    return;
  }
  if (window_.contains(frame)) return;
  if (const auto known = slots_.find(frame); known != slots_.end()) {
    observe(later_than(known->second));
    mark(known->second, -1);
  } else {
    by_hash_.emplace(hash, frame);
  }
  const bool is_new = !slots_.contains(frame);
  place(frame);
  if (is_new) came_first();
  window_.push_back(frame, {});
  if (slots_.size() > most_) exclude(std::prev(by_hash_.end())->first);
  if (++seen_ % kLookEvery == 0) spare_the_program();
}

void ReferenceSampler::came_first() {
  ++first_;
  references_ += 1;
  footprint_ = std::max<PageIndex>(footprint_, slots_.size() + others_.size());
}

void ReferenceSampler::observe(std::size_t distance) {
  const double pages = static_cast<double>(distance) / rate();
  const auto step = static_cast<std::size_t>(pages / ReuseDistances::kGrain);
  if (step >= at_.size()) at_.resize(step + 1);
  at_[step] += 1 / rate();
  references_ += 1 / rate();
}

void ReferenceSampler::spare_the_program() {
  const auto now = std::chrono::steady_clock::now();
  const bool too_fast = now - std::exchange(last_look_, now) < kTooFast;
  if (too_fast && seen_ > kCheap && slots_.size() > kFewest) exclude(static_cast<Hash>(threshold_ / 4 * 3));
}

// Pages whose hash is `threshold` or above leave the sample. They stay where they are.
void ReferenceSampler::exclude(Hash threshold) {
  threshold_ = threshold;
  while (!by_hash_.empty() && std::prev(by_hash_.end())->first >= threshold) {
    const FrameKey frame = std::prev(by_hash_.end())->second;
    by_hash_.erase(std::prev(by_hash_.end()));
    mark(slots_.at(frame), -1);
    slots_.erase(frame);
    window_.erase(frame);
    others_.insert(frame);
  }
}

void ReferenceSampler::forget(FrameKey frame) {
  others_.erase(frame);
  const auto known = slots_.find(frame);
  if (known == slots_.end()) return;
  mark(known->second, -1);
  slots_.erase(known);
  by_hash_.erase({hash_of(frame), frame});
  window_.erase(frame);
}

void ReferenceSampler::place(FrameKey frame) {
  if (next_slot_ >= tree_.size()) {
    slots_.erase(frame);
    compact();
  }
  in_slot_[next_slot_] = frame;
  slots_[frame] = next_slot_;
  mark(next_slot_++, 1);
}

std::size_t ReferenceSampler::later_than(std::size_t slot) const {
  int up_to = 0;
  for (std::size_t i = slot; i > 0; i &= i - 1) up_to += tree_[i];
  int all = 0;
  for (std::size_t i = tree_.size() - 1; i > 0; i &= i - 1) all += tree_[i];
  return static_cast<std::size_t>(all - up_to);
}

void ReferenceSampler::mark(std::size_t slot, int by) {
  for (std::size_t i = slot; i < tree_.size(); i += i & (~i + 1)) tree_[i] += by;
}

// The slots in use come first again, in their order, with room for as many behind them.
void ReferenceSampler::compact() {
  std::vector<FrameKey> order;
  for (std::size_t slot = 1; slot < next_slot_; ++slot)
    if (const auto it = slots_.find(in_slot_[slot]); it != slots_.end() && it->second == slot) order.push_back(it->first);
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(1024, order.size() * 4));
  tree_.assign(size, 0);
  in_slot_.assign(size, 0);
  next_slot_ = 1;
  for (const FrameKey frame : order) place(frame);
}

ReuseDistances ReferenceSampler::distances() const {
  return {at_, first_, references_, rate(), footprint_, static_cast<PageIndex>(static_cast<double>(window()) / rate())};
}

}  // namespace pagefold::reclaim
