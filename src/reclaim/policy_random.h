// Random: any frame, each as likely. The yardstick: a policy that does not beat it has no idea.
#pragma once

#include <unordered_map>

#include "reclaim/policy.h"

namespace pagefold::reclaim {

class Random final : public ReplacementPolicy {
 public:
  void inserted(FrameKey frame) override {
    if (places_.try_emplace(frame, frames_.size()).second) frames_.push_back(frame);
  }
  void touched(FrameKey) override {}
  void removed(FrameKey frame) override {
    const auto it = places_.find(frame);
    if (it == places_.end()) return;
    const std::size_t hole = it->second;
    places_.erase(it);
    if (hole + 1 < frames_.size()) {
      frames_[hole] = frames_.back();
      places_[frames_[hole]] = hole;
    }
    frames_.pop_back();
  }
  std::optional<FrameKey> evict() override {
    if (frames_.empty()) return std::nullopt;
    const FrameKey frame = frames_[draw() % frames_.size()];
    removed(frame);
    return frame;
  }
  // Nobody knows; touches do not count either.
  [[nodiscard]] std::vector<FrameKey> next(std::size_t) const override { return {}; }
  [[nodiscard]] std::size_t size() const override { return frames_.size(); }

 private:
  // xorshift64 (Marsaglia 2003): the same choices in every run.
  std::uint64_t draw() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

  std::vector<FrameKey> frames_;
  std::unordered_map<FrameKey, std::size_t> places_;
  std::uint64_t state_ = 88172645463325252ULL;
};

}  // namespace pagefold::reclaim
