#include "crash/minimise.h"

#include <algorithm>

namespace pagefold::crash {
namespace {

using Indices = std::vector<std::size_t>;
using Form = MinimalCase::Form;

// One way of telling a case: by what is missing, or by what has reached the disk.
class Shrinking {
 public:
  Shrinking(const Probe& probe, const Violation& violation, Form form, std::size_t& left)
      : probe_(probe), cut_(*violation.cut), left_(left), best_{violation.cut,
                                                                violation.chosen,
                                                                violation.verdict,
                                                                form,
                                                                0,
                                                                false} {}

  Result<MinimalCase> run() {
    PAGEFOLD_CHECK(halve());
    PAGEFOLD_CHECK(take_away());
    best_.smallest = left_ > 0;
    return best_;
  }

 private:
  [[nodiscard]] bool tells_reached() const { return best_.form == Form::Reached; }
  [[nodiscard]] Indices difference() const {
    Indices found;
    for (std::size_t i = 0; i < cut_.size(); ++i)
      if (best_.chosen[i] == tells_reached()) found.push_back(i);
    return found;
  }
  [[nodiscard]] Chosen differing_in(const Indices& list) const {
    Chosen chosen(cut_.size(), !tells_reached());
    for (const std::size_t i : list) chosen[i] = tells_reached();
    tells_reached() ? cut_.close_upwards(chosen) : cut_.close_downwards(chosen);
    return chosen;
  }

  // A state that breaks is the best one from then on.
  Result<bool> breaks(const Chosen& chosen) {
    if (left_ == 0) return false;
    --left_;
    const std::optional<Verdict> verdict = PAGEFOLD_TRY(probe_(cut_, chosen));
    if (!verdict || !verdict->violates()) return false;
    best_.chosen = chosen;
    best_.verdict = *verdict;
    return true;
  }

  Result<void> halve() {
    if (PAGEFOLD_TRY(breaks(differing_in({})))) return {};
    Indices list = difference();
    std::size_t parts = 2;
    while (list.size() >= 2) {
      bool smaller = false;
      const std::size_t n = list.size();
      for (std::size_t i = 0; i < parts && !smaller; ++i) {
        const auto from = list.begin() + static_cast<std::ptrdiff_t>(n * i / parts);
        const auto to = list.begin() + static_cast<std::ptrdiff_t>(n * (i + 1) / parts);
        const Indices part(from, to);
        Indices rest(list.begin(), from);
        rest.insert(rest.end(), to, list.end());
        if (PAGEFOLD_TRY(breaks(differing_in(part)))) {
          list = part;
          parts = 2;
          smaller = true;
        } else if (parts > 2 && PAGEFOLD_TRY(breaks(differing_in(rest)))) {
          list = rest;
          parts = std::max<std::size_t>(parts - 1, 2);
          smaller = true;
        }
      }
      if (smaller) continue;
      if (parts >= list.size()) break;
      parts = std::min(list.size(), parts * 2);
    }
    return {};
  }

  // What an atom brings along can be more than it alone: each is tried by itself, until none is left to try.
  Result<void> take_away() {
    for (bool again = true; again;) {
      again = false;
      for (const std::size_t i : difference()) {
        Chosen less = best_.chosen;
        if (less[i] != tells_reached()) continue;  // gone with another
        less[i] = !less[i];
        tells_reached() ? cut_.close_downwards(less) : cut_.close_upwards(less);
        again = PAGEFOLD_TRY(breaks(less)) || again;
      }
    }
    return {};
  }

  const Probe& probe_;
  const Cut& cut_;
  std::size_t& left_;
  MinimalCase best_;
};

}  // namespace

std::size_t MinimalCase::size() const {
  return static_cast<std::size_t>(std::ranges::count(chosen, form == Form::Reached));
}

Probe probe_of(Trial& trial, bool check_empty) {
  return [&trial, check_empty](const Cut& cut, const Chosen& chosen) -> Result<std::optional<Verdict>> {
    if (!check_empty && trial.leaves_nothing(cut, chosen)) return std::nullopt;
    return PAGEFOLD_TRY(trial.run(cut, chosen));
  };
}

Result<MinimalCase> minimise(const Probe& probe, const Violation& violation, std::size_t most_trials) {
  std::size_t left = most_trials;
  const MinimalCase missing = PAGEFOLD_TRY(Shrinking(probe, violation, Form::Missing, left).run());
  const MinimalCase reached = PAGEFOLD_TRY(Shrinking(probe, violation, Form::Reached, left).run());
  MinimalCase best = reached.size() < missing.size() ? reached : missing;
  best.trials = most_trials - left;
  return best;
}

}  // namespace pagefold::crash
