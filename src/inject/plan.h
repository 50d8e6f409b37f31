// The failures of one run: counts what matches and says what is to happen. Synchronised; several threads ask at a time, and an order
// among them is the order in which they ask.
//
// Each event is shown to every spec. A spec that matches counts it; whether the n-th match is hit depends on n, the seed and the spec
// alone, so that a program which does the same things in the same order meets the same failures. Delays of all specs that are hit add
// up; of the outcomes the first in the order of the specs counts, and the specs behind it still count their matches.
//
// A call that transfers bytes, and comes to a page that would fail only later on, is stopped before that page, as by a bad sector: the
// failure is met, and counted, by the call that begins there.
#pragma once

#include <mutex>
#include <string_view>
#include <vector>

#include "inject/spec.h"

namespace pagefold::inject {

struct Event {
  Place place = Place::Read;
  Via via = Via::Call;
  std::string_view call, path, program;  // path: empty if there is no file
  PageIndex first = 0, last = 0;         // the pages it is about; none: no page= matches
  Bytes length = 0;                      // of a transfer
  bool divisible = true;                 // a transfer by a call can end before a page
  Bytes held = 0;                        // Alloc: what the run would hold
  bool somebody = true;                  // a process caused it, which can be killed
};

struct Hit {
  std::size_t spec = 0;      // index
  std::uint64_t number = 0;  // the match it was, counted from 1
};

struct Decision {
  std::chrono::nanoseconds delay{0};
  Outcome outcome = Outcome::Proceed;
  int error = 0;
  Bytes most = 0;                   // as Spec::most
  PageIndex stop_before = Pages::kEnd;  // a page that the transfer must not reach
  std::vector<Hit> hits;            // those with a delay, and the one with the outcome
};

struct Tally {
  std::uint64_t matches = 0, hits = 0;
};

class Plan {
 public:
  explicit Plan(std::vector<Spec> specs = {}, std::uint64_t seed = 0) : specs_(std::move(specs)), tallies_(specs_.size()), seed_(seed) {}

  [[nodiscard]] bool empty() const { return specs_.empty(); }
  [[nodiscard]] const std::vector<Spec>& specs() const { return specs_; }
  // Some spec speaks of this place.
  [[nodiscard]] bool concerns(Place place) const;
  Decision decide(const Event& event);
  // Pages of the file whose reading or writing through mappings must be asked for one by one: the first in [from, to), or `to`.
  [[nodiscard]] PageIndex next_armed(Place place, std::string_view path, std::string_view program, PageIndex from, PageIndex to) const;
  [[nodiscard]] std::vector<Tally> tallies() const;

 private:
  [[nodiscard]] bool is_hit(std::size_t spec, std::uint64_t number) const;

  std::vector<Spec> specs_;
  mutable std::mutex mutex_;  // tallies_
  std::vector<Tally> tallies_;
  std::uint64_t seed_;
};

}  // namespace pagefold::inject
