// Least recently used: the frame whose last known touch is longest ago goes first. Exact where every touch is seen;
// here it sees faults and sampled touches.
#pragma once

#include "reclaim/frame_list.h"

namespace pagefold::reclaim {

class Lru final : public ReplacementPolicy {
 public:
  void inserted(FrameKey frame) override {
    if (!frames_.to_back(frame)) frames_.push_back(frame, {});
  }
  void touched(FrameKey frame) override { frames_.to_back(frame); }
  void removed(FrameKey frame) override { frames_.erase(frame); }
  std::optional<FrameKey> evict() override {
    if (frames_.empty()) return std::nullopt;
    const FrameKey frame = frames_.front().frame;
    frames_.pop_front();
    return frame;
  }
  [[nodiscard]] std::vector<FrameKey> next(std::size_t most) const override {
    std::vector<FrameKey> coming;
    frames_.first(most, coming, [](Nothing) { return true; });
    return coming;
  }
  [[nodiscard]] std::size_t size() const override { return frames_.size(); }

 private:
  struct Nothing {};
  FrameList<Nothing> frames_;  // the longest ago first
};

}  // namespace pagefold::reclaim
