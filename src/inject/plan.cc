#include "inject/plan.h"

#include <fnmatch.h>

#include <algorithm>

namespace pagefold::inject {
namespace {

bool fits(const std::string& pattern, std::string_view text) {
  return pattern.empty() || (!text.empty() && ::fnmatch(pattern.c_str(), std::string(text).c_str(), 0) == 0);
}

bool same_file(const Spec& spec, std::string_view path, std::string_view program) {
  return fits(spec.path, path) && fits(spec.program, program);
}

bool matches(const Spec& spec, const Event& event) {
  if (spec.place != event.place) return false;
  if (spec.via != Via::Any && spec.via != event.via) return false;
  if (spec.outcome == Outcome::Short && (event.via == Via::Map || event.length <= std::max<Bytes>(spec.most, 1))) return false;
  if (!spec.call.empty() && (event.via == Via::Map || spec.call != event.call)) return false;
  if (spec.outcome == Outcome::Kill && !event.somebody) return false;
  if (spec.place == Place::Alloc && event.held <= spec.after) return false;
  if (!spec.pages.all() && spec.pages.next(event.first, event.last) == event.last) return false;
  return same_file(spec, event.path, event.program);
}

// splitmix64 (Steele, Lea, Flood 2014): its output function, a good mixer of 64 bits.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// In [0, 1).
double drawn(std::uint64_t seed, std::size_t spec, std::uint64_t number) {
  constexpr int kMantissa = 53;
  const std::uint64_t bits = mixed(mixed(mixed(seed) ^ spec) ^ number) >> (64 - kMantissa);
  return static_cast<double>(bits) / static_cast<double>(std::uint64_t{1} << kMantissa);
}

// A transfer by a call that begins before a page of the spec: that page, and it would be stopped there.
bool stops_later(const Spec& spec, const Event& event) {
  const bool transfers = event.place == Place::Read || event.place == Place::Write;
  return transfers && event.divisible && event.via == Via::Call && spec.outcome == Outcome::Error && !spec.pages.all() &&
         spec.pages.next(event.first, event.last) != event.first;
}

}  // namespace

bool Plan::concerns(Place place) const { return std::ranges::find(specs_, place, &Spec::place) != specs_.end(); }

bool Plan::is_hit(std::size_t spec, std::uint64_t number) const {
  const Spec& s = specs_[spec];
  return s.when.contains(number) && (s.chance >= 1 || drawn(seed_, spec, number) < s.chance);
}

Decision Plan::decide(const Event& event) {
  Decision decision;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const Spec& spec = specs_[i];
    if (!matches(spec, event)) continue;
    Tally& tally = tallies_[i];
    if (stops_later(spec, event) && is_hit(i, tally.matches + 1)) {
      decision.stop_before = std::min(decision.stop_before, spec.pages.next(event.first, event.last));
      continue;
    }
    if (!is_hit(i, ++tally.matches)) continue;
    const bool decides = spec.outcome != Outcome::Proceed && decision.outcome == Outcome::Proceed;
    if (!decides && spec.outcome != Outcome::Proceed) continue;  // another has come first
    ++tally.hits;
    decision.hits.push_back({i, tally.matches});
    decision.delay += spec.delay;
    if (!decides) continue;
    decision.outcome = spec.outcome;
    decision.error = spec.error;
    decision.most = spec.most;
  }
  return decision;
}

PageIndex Plan::next_armed(Place place, std::string_view path, std::string_view program, PageIndex from, PageIndex to) const {
  PageIndex next = to;
  for (const Spec& spec : specs_)
    if (spec.place == place && spec.via != Via::Call && spec.outcome != Outcome::Short && spec.call.empty() && same_file(spec, path, program))
      next = std::min(next, spec.pages.next(from, next));
  return next;
}

std::vector<Tally> Plan::tallies() const {
  const std::lock_guard lock(mutex_);
  return tallies_;
}

}  // namespace pagefold::inject
