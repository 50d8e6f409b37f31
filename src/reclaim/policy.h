// Which frame goes next. A policy orders the frames that could be evicted; it knows them by key only, asks nobody
// anything and does no eviction itself. What it is told: a frame has come, was touched again (as far as anybody can
// see, docs/pressure.md), has gone by itself. What it answers: the next to go.
//
// Its entries are hints: the owner of a frame has the last word (reclaimer.h). So an insert of what is there counts as
// a touch, and what is not there may be touched or removed without effect.
//
// One small file each; a new policy is its file and a line in policy.cc. Not synchronised: the Reclaimer's lock
// protects it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/page.h"

namespace pagefold::reclaim {

// A page of an owner, as one number.
using FrameKey = std::uint64_t;
using OwnerId = std::uint32_t;
inline constexpr unsigned kOwnerShift = 40;
constexpr FrameKey frame_key(OwnerId owner, PageIndex page) { return FrameKey{owner} << kOwnerShift | page; }
constexpr OwnerId owner_of(FrameKey key) { return static_cast<OwnerId>(key >> kOwnerShift); }
constexpr PageIndex page_in(FrameKey key) { return key & ((FrameKey{1} << kOwnerShift) - 1); }

class ReplacementPolicy {
 public:
  virtual ~ReplacementPolicy() = default;
  // The frame is there because the program needed it, for the first time or again.
  virtual void inserted(FrameKey frame) = 0;
  virtual void touched(FrameKey frame) = 0;
  // The frame is gone without having been chosen, and so is what the policy remembers of it.
  virtual void removed(FrameKey frame) = 0;
  // It was chosen, and cannot go.
  virtual void refused(FrameKey frame) { inserted(frame); }
  // The next to go; it leaves the policy, which may remember that it did. nullopt: there is none.
  virtual std::optional<FrameKey> evict() = 0;
  // What would go next, in order, if nothing were touched meanwhile; at most `most`.
  [[nodiscard]] virtual std::vector<FrameKey> next(std::size_t most) const = 0;
  [[nodiscard]] virtual std::size_t size() const = 0;
  // Frames that are to go although there is room (reference_sampler.h).
  [[nodiscard]] virtual std::size_t due() const { return 0; }
};

inline constexpr std::string_view kPolicyNames[] = {"clock", "lru", "s3fifo", "random"};
// Null when there is no policy of that name.
std::unique_ptr<ReplacementPolicy> make_policy(std::string_view name);

}  // namespace pagefold::reclaim
