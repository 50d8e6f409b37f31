// Clock, or second chance (Corbato 1968): frames stand in a circle in the order of their coming; the hand passes by,
// takes away the mark of those touched since its last visit, and evicts the first without one.
#pragma once

#include "reclaim/frame_list.h"

namespace pagefold::reclaim {

class Clock final : public ReplacementPolicy {
 public:
  void inserted(FrameKey frame) override {
    if (frames_.contains(frame)) return touched(frame);
    frames_.push_back(frame, Touched::No);
  }
  void touched(FrameKey frame) override {
    if (Touched* mark = frames_.mark(frame)) *mark = Touched::Yes;
  }
  void removed(FrameKey frame) override { frames_.erase(frame); }
  std::optional<FrameKey> evict() override {
    while (!frames_.empty()) {
      auto& at_hand = frames_.front();
      if (at_hand.mark == Touched::No) {
        const FrameKey frame = at_hand.frame;
        frames_.pop_front();
        return frame;
      }
      at_hand.mark = Touched::No;
      frames_.front_to_back();
    }
    return std::nullopt;
  }
  [[nodiscard]] std::vector<FrameKey> next(std::size_t most) const override {
    std::vector<FrameKey> coming;
    frames_.first(most, coming, [](Touched mark) { return mark == Touched::No; });
    frames_.first(most, coming, [](Touched mark) { return mark == Touched::Yes; });
    return coming;
  }
  [[nodiscard]] std::size_t size() const override { return frames_.size(); }

 private:
  enum class Touched : bool { No, Yes };
  FrameList<Touched> frames_;  // the hand points to the first
};

}  // namespace pagefold::reclaim
