// The policies by name.
#include "reclaim/policy.h"

#include "reclaim/policy_clock.h"
#include "reclaim/policy_lru.h"
#include "reclaim/policy_random.h"
#include "reclaim/policy_s3fifo.h"

namespace pagefold::reclaim {

std::unique_ptr<ReplacementPolicy> make_policy(std::string_view name) {
  if (name == "clock") return std::make_unique<Clock>();
  if (name == "lru") return std::make_unique<Lru>();
  if (name == "s3fifo") return std::make_unique<S3Fifo>();
  if (name == "random") return std::make_unique<Random>();
  return nullptr;
}

}  // namespace pagefold::reclaim
