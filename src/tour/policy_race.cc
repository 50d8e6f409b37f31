// Chapter "a policy race": one program, all policies, the same few frames. No claim of the lecture; it is judged as a whole.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/page.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kFrames = (8 << 20) / kPageSize;
constexpr const char* kPolicies[] = {"clock", "lru", "s3fifo", "random"};

struct Lap {
  Number again, evicted, faults;
};

std::string told(Number number) { return number ? grouped(*number) : "nothing"; }

Lap lap(Lesson& lesson, const std::string& policy) {
  const GuestRun run = lesson.run({.argv = {"./race"}, .flags = {"--mem=8M", "--policy=" + policy}});
  const Number pages = run.number("scanned pages"), most = run.reported("/pressure/peak_bytes");
  lesson.equal("pages whose contents are wrong", 0, run.number("scanned pages with a wrong count"));
  lesson.equal("stores to the hot set that were lost", 0,
               difference(run.number("stores to the hot set, modulo 256"), run.number("found there, modulo 256")));
  lesson.between("page frames in use at most", kFrames / 2, kFrames,
                 most ? Number(*most / static_cast<std::int64_t>(kPageSize)) : Number());
  const Number again = run.reported("/pressure/refaulted_pages/anonymous");
  // Each later pass, and the count at the end, needs what did not fit.
  lesson.between("pages brought back", pages ? *pages : 1, pages ? 20 * *pages : 1, again);
  return {again, run.reported("/pressure/evicted_pages/anonymous"), run.all_faults()};
}

}  // namespace

void tell_policy_race(Lesson& lesson) {
  lesson.say(
      "Which page goes when frames are scarce? A program walks through 24 MiB and at each step touches a few pages of a "
      "hot set of 2 MiB; there are frames for 8 MiB. The hot set would fit; the walk does not. A good policy keeps the "
      "one and lets the other pass.");
  std::map<std::string, Lap> laps;
  for (const char* policy : kPolicies) laps[policy] = lap(lesson, policy);
  lesson.show(fmt::format("{:<8} {:>14} {:>14} {:>14}", "policy", "evicted", "brought back", "faults"));
  for (const auto& [policy, l] : laps)
    lesson.show(fmt::format("{:<8} {:>14} {:>14} {:>14}", policy, told(l.evicted), told(l.again), told(l.faults)));
  const auto best = std::ranges::min_element(laps, {}, [](const auto& entry) { return entry.second.again.value_or(INT64_MAX); });
  const Number yardstick = laps["random"].again;
  lesson.holds("the best, " + best->first + ", brings back fewer pages than random",
               yardstick && best->second.again && *best->second.again * 10 < *yardstick * 9);
  lesson.subtler(
      "Touches of a mapped page are seen by nobody, so a policy knows them by samples: pages that are soon to go are taken "
      "out of the page table to see whether they are touched (docs/pressure.md).");
}

}  // namespace pagefold::tour
