#include "reclaim/miniature.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "reclaim/watching.h"

namespace pagefold::reclaim {
namespace {

std::size_t scaled(PageIndex pages, double rate) {
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(static_cast<double>(pages) * rate)));
}

}  // namespace

bool Miniature::touch(FrameKey frame, double rate) {
  if (const auto there = watched_.find(frame); there != watched_.end()) {
    if (std::exchange(there->second, false)) policy_->touched(frame);
    return false;
  }
  while (watched_.size() >= scaled(frames_, rate)) evict(rate);
  policy_->inserted(frame);
  watched_[frame] = false;
  return true;
}

void Miniature::evict(double rate) {
  if (const auto gone = policy_->evict()) watched_.erase(*gone);
  const std::size_t distance = scaled(watch_distance(frames_), rate);
  if (++evicted_since_look_ < distance / kLooksPerDistance) return;
  evicted_since_look_ = 0;
  for (const FrameKey next : policy_->next(distance)) watched_[next] = true;
}

void Miniature::remove(FrameKey frame) {
  policy_->removed(frame);
  watched_.erase(frame);
}

void Miniatures::came(FrameKey frame, double rate) {
  pages_.push_back(frame, {});
  for (Miniature& miniature : miniatures_) miniature.touch(frame, rate);
}

void Miniatures::touched(FrameKey frame, double rate) {
  for (std::size_t i = 0; i < miniatures_.size(); ++i)
    if (miniatures_[i].touch(frame, rate)) sizes_[i].again += 1 / rate;
}

void Miniatures::removed(FrameKey frame) {
  pages_.erase(frame);
  for (Miniature& miniature : miniatures_) miniature.remove(frame);
}

void Miniatures::make_sizes_below(PageIndex pages, double rate) {
  for (;;) {
    const auto frames = static_cast<PageIndex>(
        std::llround(static_cast<double>(least_) * std::exp2(static_cast<double>(sizes_.size()) / kPerOctave)));
    if (frames >= pages) return;
    sizes_.push_back({frames, 0});
    Miniature& fresh = miniatures_.emplace_back(frames, make_policy(policy_));
    std::vector<FrameKey> order;
    pages_.first(pages_.size(), order, [](Nothing) { return true; });
    for (const FrameKey frame : order) fresh.touch(frame, rate);
  }
}

}  // namespace pagefold::reclaim
