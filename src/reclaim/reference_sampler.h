// Touches of a run, sampled by page (after SHARDS: Waldspurger et al., "Efficient MRC construction with SHARDS", FAST 2015), and what they
// say about memories of all sizes (miniature.h).
//
// A page is in the sample when the hash of its name is below a threshold, so either all touches of it count or none. A
// touch is seen because the page was taken away: the frames of the pages touched last - the window - stay, older ones go
// to the swap, whatever room there is.
//
// Touches within the window are not seen: they are hits at every size that counts here. When there are more sampled pages
// than wanted, or touches come so fast that the program would crawl, the threshold is lowered, and what it excludes is
// forgotten; each observation weighs as many as the rate says at its time.
//
// Used as a policy (SamplingPolicy) of a Reclaimer without a limit; its lock protects all but the results.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "reclaim/frame_list.h"
#include "reclaim/miniature.h"

namespace pagefold::reclaim {

// What the sample says of all pages.
struct SampledRun {
  std::vector<Miniatures::Size> sizes;  // ascending, from `resolution` to just below the footprint
  std::uint64_t first = 0;              // pages that came for the first time; exact
  double references = 0;                // touches, first ones and those seen again
  double rate = 1;                      // of the pages, at the end
  PageIndex footprint = 0;              // most pages at a time
  PageIndex resolution = 0;             // nothing is known of less memory
};

class ReferenceSampler {
 public:
  // most: pages in the sample. window: what is touched again among so many pages need not be seen.
  // policy: of the runs that are foretold.
  ReferenceSampler(std::string policy, std::size_t most, PageIndex window)
      : most_(most), window_pages_(window), miniatures_(std::move(policy), window) {}

  void touch(FrameKey frame);
  // The page does not exist any more.
  void forget(FrameKey frame);
  // Frames that are to go, the next of them, and one that could not.
  [[nodiscard]] std::size_t due() const;
  std::optional<FrameKey> take_due();
  void stays(FrameKey frame) { window_.erase(frame); }
  [[nodiscard]] std::size_t resident() const { return window_.size(); }

  // After the run.
  [[nodiscard]] SampledRun result() const;

 private:
  using Hash = std::uint32_t;
  struct Nothing {};

  static Hash hash_of(FrameKey frame);
  [[nodiscard]] double rate() const;
  [[nodiscard]] std::size_t window() const;
  void came_first();
  void exclude(Hash threshold);
  void leave_sample(FrameKey frame);
  void spare_the_program();

  const std::size_t most_;
  const PageIndex window_pages_;
  std::uint64_t threshold_ = std::uint64_t{1} << 32;
  std::set<std::pair<Hash, FrameKey>> sampled_;
  FrameList<Nothing> window_;  // resident ones of the sample, the touch longest ago first
  std::uint64_t seen_ = 0;
  std::chrono::steady_clock::time_point last_look_ = std::chrono::steady_clock::now();
  Miniatures miniatures_;
  std::uint64_t first_ = 0;
  double references_ = 0;
  PageIndex footprint_ = 0;
  std::unordered_set<FrameKey> others_;  // pages that are not in the sample, or not any more
};

class SamplingPolicy final : public ReplacementPolicy {
 public:
  explicit SamplingPolicy(ReferenceSampler& sampler) : sampler_(sampler) {}
  void inserted(FrameKey frame) override { sampler_.touch(frame); }
  void touched(FrameKey) override {}
  void removed(FrameKey frame) override { sampler_.forget(frame); }
  void refused(FrameKey frame) override { sampler_.stays(frame); }
  std::optional<FrameKey> evict() override { return sampler_.take_due(); }
  [[nodiscard]] std::vector<FrameKey> next(std::size_t) const override { return {}; }
  [[nodiscard]] std::size_t size() const override { return sampler_.resident(); }
  [[nodiscard]] std::size_t due() const override { return sampler_.due(); }

 private:
  ReferenceSampler& sampler_;
};

}  // namespace pagefold::reclaim
