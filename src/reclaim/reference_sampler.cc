#include "reclaim/reference_sampler.h"

#include <algorithm>
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
// With fewer frames a memory is too small for a miniature.
constexpr double kLeastMiniature = 32;
constexpr std::uint64_t kCheap = 32768;  // a second's worth of touches is not too much for anybody

}  // namespace

// splitmix64 (Steele et al. 2014): as good as random, the same in every run.
ReferenceSampler::Hash ReferenceSampler::hash_of(FrameKey frame) {
  std::uint64_t x = frame + 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return static_cast<Hash>((x ^ (x >> 31)) >> 32);
}

// How many pages there are is known, so the part that is sampled need not be estimated from the threshold.
double ReferenceSampler::rate() const {
  const std::size_t all = sampled_.size() + others_.size();
  return all == 0 ? 1 : static_cast<double>(sampled_.size()) / static_cast<double>(all);
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
  if (sampled_.emplace(hash, frame).second) {
    came_first();
    miniatures_.came(frame, rate());
  } else {
    references_ += 1 / rate();
    miniatures_.touched(frame, rate());
  }
  window_.push_back(frame, {});
  if (sampled_.size() > most_) exclude(std::prev(sampled_.end())->first);
  if (++seen_ % kLookEvery == 0) spare_the_program();
}

void ReferenceSampler::came_first() {
  ++first_;
  references_ += 1;
  const PageIndex pages = sampled_.size() + others_.size();
  footprint_ = std::max(footprint_, pages);
  miniatures_.make_sizes_below(pages, rate());
}

void ReferenceSampler::spare_the_program() {
  const auto now = std::chrono::steady_clock::now();
  const bool too_fast = now - std::exchange(last_look_, now) < kTooFast;
  if (too_fast && seen_ > kCheap && sampled_.size() > kFewest) exclude(static_cast<Hash>(threshold_ / 4 * 3));
}

// Pages whose hash is `threshold` or above leave the sample. They stay where they are.
void ReferenceSampler::exclude(Hash threshold) {
  threshold_ = threshold;
  while (!sampled_.empty() && std::prev(sampled_.end())->first >= threshold) {
    const FrameKey frame = std::prev(sampled_.end())->second;
    leave_sample(frame);
    others_.insert(frame);
  }
}

void ReferenceSampler::forget(FrameKey frame) {
  others_.erase(frame);
  leave_sample(frame);
}

void ReferenceSampler::leave_sample(FrameKey frame) {
  if (sampled_.erase({hash_of(frame), frame}) == 0) return;
  miniatures_.removed(frame);
  window_.erase(frame);
}

SampledRun ReferenceSampler::result() const {
  SampledRun run{{}, first_, references_, rate(), footprint_, 0};
  const double least = std::max(static_cast<double>(window()), kLeastMiniature) / rate();
  run.resolution = static_cast<PageIndex>(least);
  for (const Miniatures::Size& size : miniatures_.sizes())
    if (static_cast<double>(size.frames) >= least && size.frames < footprint_) run.sizes.push_back(size);
  return run;
}

}  // namespace pagefold::reclaim
