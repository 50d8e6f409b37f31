// The policies against sets and an exact LRU order, and what each promises about frames that are touched again and again.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <list>
#include <optional>
#include <set>

#include "reclaim/policy.h"

namespace pagefold::reclaim {
namespace {

std::string any_policy() {
  return std::string(
      *rc::gen::elementOf(std::vector<std::string_view>(std::begin(kPolicyNames), std::end(kPolicyNames))));
}

RC_GTEST_PROP(Policy, HoldsWhatCameAndHasNotGone, ()) {
  const std::string name = any_policy();
  const auto policy = make_policy(name);
  std::set<FrameKey> model;
  for (int step = *rc::gen::inRange(0, 400); step > 0; --step) {
    const FrameKey frame = *rc::gen::inRange<FrameKey>(0, 40);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
      case 1:
        policy->inserted(frame), model.insert(frame);
        break;
      case 2:
      case 3:
        policy->touched(frame);
        break;
      case 4:
        policy->removed(frame), model.erase(frame);
        break;
      default:
        const auto gone = policy->evict();
        RC_ASSERT(gone.has_value() == !model.empty());
        if (gone) RC_ASSERT(model.erase(*gone) == 1U);
    }
    RC_ASSERT(policy->size() == model.size());
    const auto coming = policy->next(10);
    RC_ASSERT(coming.size() <= 10U);
    RC_ASSERT(std::set(coming.begin(), coming.end()).size() == coming.size());
    for (const FrameKey next : coming) RC_ASSERT(model.contains(next));
  }
}

RC_GTEST_PROP(Policy, LruEvictsTheLongestUntouched, ()) {
  const auto policy = make_policy("lru");
  std::list<FrameKey> model;
  for (int step = *rc::gen::inRange(0, 300); step > 0; --step) {
    const FrameKey frame = *rc::gen::inRange<FrameKey>(0, 20);
    const bool known = std::find(model.begin(), model.end(), frame) != model.end();
    if (*rc::gen::inRange(0, 4) == 0) {
      const auto gone = policy->evict();
      RC_ASSERT(gone == (model.empty() ? std::nullopt : std::optional(model.front())));
      if (gone) model.pop_front();
    } else {
      known ? policy->touched(frame) : policy->inserted(frame);
      model.remove(frame);
      model.push_back(frame);
    }
  }
}

// A frame touched between any two visits of the hand never goes while there are others.
RC_GTEST_PROP(Policy, ClockSparesWhatIsTouchedAgainAndAgain, (unsigned seed)) {
  const auto policy = make_policy("clock");
  for (FrameKey frame = 0; frame < 16; ++frame) policy->inserted(frame);
  for (FrameKey frame = 16; frame < 200; ++frame) {
    policy->touched(seed % 16);
    RC_ASSERT(policy->evict() != std::optional<FrameKey>(seed % 16));
    policy->inserted(frame);
  }
}

// A scan through s3fifo's small queue takes no frame that has proved itself.
TEST(Policy, S3FifoKeepsItsHotFramesThroughAScan) {
  const auto policy = make_policy("s3fifo");
  for (FrameKey frame = 0; frame < 50; ++frame) policy->inserted(frame), policy->touched(frame);
  for (int i = 0; i < 50; ++i) {  // on probation no more
    policy->inserted(FrameKey{1000} + static_cast<FrameKey>(i));
    ASSERT_TRUE(policy->evict());
  }
  std::size_t hot_gone = 0;
  for (FrameKey scan = 5000; scan < 6000; ++scan) {
    policy->inserted(scan);
    for (FrameKey frame = 0; frame < 50; ++frame) policy->touched(frame);
    const auto gone = policy->evict();
    ASSERT_TRUE(gone);
    if (*gone < 50) ++hot_gone;
  }
  EXPECT_EQ(hot_gone, 0U);
}

}  // namespace
}  // namespace pagefold::reclaim
