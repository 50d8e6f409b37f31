// Memories of many sizes at once, in miniature: what a run brings in under a limit is simulated with a sample of its pages, and as
// many frames fewer (Waldspurger et al., "Cache modeling and optimization using miniature simulations", USENIX ATC 2017). Each size
// has a policy of its own, the very one that decides under `--mem`, which sees of the touches what it would see there: those
// of pages that are brought in, and of those that are watched (watching.h).
//
// Sizes stand kPerOctave to a doubling. One is simulated from the moment on when there are more pages than it has frames.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "reclaim/frame_list.h"
#include "reclaim/policy.h"

namespace pagefold::reclaim {

class Miniature {
 public:
  Miniature(PageIndex frames, std::unique_ptr<ReplacementPolicy> policy) : frames_(frames), policy_(std::move(policy)) {}

  [[nodiscard]] PageIndex frames() const { return frames_; }
  // rate: the part of the pages that is in the sample. True when the page had to be brought in.
  bool touch(FrameKey frame, double rate);
  void remove(FrameKey frame);

 private:
  void evict(double rate);

  PageIndex frames_;
  std::unique_ptr<ReplacementPolicy> policy_;
  std::unordered_map<FrameKey, bool> watched_;  // all frames that are there
  std::size_t evicted_since_look_ = 0;
};

class Miniatures {
 public:
  static constexpr unsigned kPerOctave = 16;

  // least: frames of the smallest size.
  Miniatures(std::string policy, PageIndex least) : policy_(std::move(policy)), least_(least) {}

  // A page of the sample is touched for the first time, or again, or does not belong to it any more.
  void came(FrameKey frame, double rate);
  void touched(FrameKey frame, double rate);
  void removed(FrameKey frame);
  // There are so many pages in all now.
  void make_sizes_below(PageIndex pages, double rate);

  // Pages brought in again, by size, ascending.
  struct Size {
    PageIndex frames = 0;
    double again = 0;
  };
  [[nodiscard]] const std::vector<Size>& sizes() const { return sizes_; }

 private:
  struct Nothing {};
  std::string policy_;
  PageIndex least_;
  FrameList<Nothing> pages_;  // in the order of their coming
  std::vector<Miniature> miniatures_;
  std::vector<Size> sizes_;
};

}  // namespace pagefold::reclaim
