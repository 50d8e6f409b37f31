// S3-FIFO (Yang et al., SOSP 2023, "FIFO queues are all you need for cache eviction"): new frames stand on probation in
// a small queue, a tenth of all; those touched there, or wanted again soon after they left it (the ghosts), belong to
// the main queue, where a touch saves them once, at most three times. A scan passes through the small queue and spoils
// nothing.
#pragma once

#include <algorithm>

#include "reclaim/frame_list.h"

namespace pagefold::reclaim {

class S3Fifo final : public ReplacementPolicy {
 public:
  void inserted(FrameKey frame) override {
    if (small_.contains(frame) || main_.contains(frame)) return touched(frame);
    if (ghosts_.erase(frame))
      main_.push_back(frame, 0);
    else
      small_.push_back(frame, 0);
  }
  void touched(FrameKey frame) override {
    Touches* touches = small_.mark(frame);
    if (touches == nullptr) touches = main_.mark(frame);
    if (touches != nullptr) *touches = std::min<Touches>(*touches + 1, kMostTouches);
  }
  void removed(FrameKey frame) override {
    if (!small_.erase(frame) && !main_.erase(frame)) ghosts_.erase(frame);
  }
  std::optional<FrameKey> evict() override {
    while (size() > 0) {
      const bool from_small = main_.empty() || small_.size() > size() / kSmallShare;
      const auto frame = from_small && !small_.empty() ? evict_small() : evict_main();
      if (frame) return frame;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::vector<FrameKey> next(std::size_t most) const override {
    std::vector<FrameKey> coming;
    const auto untouched = [](Touches touches) { return touches == 0; };
    if (small_.size() > size() / kSmallShare)
      small_.first(std::min(most, small_.size() - size() / kSmallShare), coming, untouched);
    main_.first(most, coming, untouched);
    small_.first(most + small_.size(), coming, [&](Touches touches) { return touches == 0 && coming.size() < most; });
    std::sort(coming.begin(), coming.end());
    coming.erase(std::unique(coming.begin(), coming.end()), coming.end());
    return coming;
  }
  [[nodiscard]] std::size_t size() const override { return small_.size() + main_.size(); }

 private:
  using Touches = unsigned;
  struct Nothing {};
  static constexpr Touches kMostTouches = 3;
  static constexpr std::size_t kSmallShare = 10;

  std::optional<FrameKey> evict_small() {
    const auto [frame, touches] = small_.front();
    small_.pop_front();
    if (touches > 0) {
      main_.push_back(frame, 0);
      return std::nullopt;
    }
    ghosts_.push_back(frame, {});
    while (ghosts_.size() > std::max<std::size_t>(1, size())) ghosts_.pop_front();
    return frame;
  }
  std::optional<FrameKey> evict_main() {
    auto& oldest = main_.front();
    if (oldest.mark > 0) {
      --oldest.mark;
      main_.front_to_back();
      return std::nullopt;
    }
    const FrameKey frame = oldest.frame;
    main_.pop_front();
    return frame;
  }

  FrameList<Touches> small_, main_;
  FrameList<Nothing> ghosts_;  // as many as there are frames
};

}  // namespace pagefold::reclaim
