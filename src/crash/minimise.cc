#include "crash/minimise.h"

#include <algorithm>
#include <functional>

namespace pagefold::crash {
namespace {

using Indices = std::vector<std::size_t>;
using Breaks = std::function<Result<bool>(const Indices&)>;

Indices indices_of(const Chosen& chosen, bool wanted) {
  Indices found;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    if (chosen[i] == wanted) found.push_back(i);
  return found;
}

// The smallest list, of those tried, that breaks. `list` breaks.
Result<Indices> smallest(Indices list, const Breaks& breaks) {
  if (PAGEFOLD_TRY(breaks({}))) return Indices{};
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
      if (PAGEFOLD_TRY(breaks(part))) {
        list = part;
        parts = 2;
        smaller = true;
      } else if (parts > 2 && PAGEFOLD_TRY(breaks(rest))) {
        list = rest;
        parts = std::max<std::size_t>(parts - 1, 2);
        smaller = true;
      }
    }
    if (smaller) continue;
    if (parts >= list.size()) break;
    parts = std::min(list.size(), parts * 2);
  }
  return list;
}

class Minimiser {
 public:
  Minimiser(Trial& trial, const Violation& violation, const MinimiseOptions& options)
      : trial_(trial), cut_(*violation.cut), violation_(violation), options_(options), left_(options.most_trials) {}

  Result<MinimalCase> run() {
    const auto missing = [this](const Indices& list) {
      Chosen chosen(cut_.size(), true);
      for (const std::size_t i : list) chosen[i] = false;
      cut_.close_downwards(chosen);
      return chosen;
    };
    const auto reached = [this](const Indices& list) {
      Chosen chosen(cut_.size(), false);
      for (const std::size_t i : list) chosen[i] = true;
      cut_.close_upwards(chosen);
      return chosen;
    };
    const MinimalCase one = PAGEFOLD_TRY(search(false, missing, MinimalCase::Form::Missing));
    const MinimalCase other = PAGEFOLD_TRY(search(true, reached, MinimalCase::Form::Reached));
    MinimalCase best = other.size() < one.size() ? other : one;
    best.trials = options_.most_trials - left_;
    return best;
  }

 private:
  Result<MinimalCase> search(bool wanted, const std::function<Chosen(const Indices&)>& make, MinimalCase::Form form) {
    MinimalCase best{violation_.cut, violation_.chosen, violation_.verdict, form, 0};
    const auto found = smallest(indices_of(violation_.chosen, wanted), [&](const Indices& list) -> Result<bool> {
      const Chosen chosen = make(list);
      if (left_ == 0 || (!options_.check_empty && trial_.leaves_nothing(cut_, chosen))) return false;
      --left_;
      const Verdict verdict = PAGEFOLD_TRY(trial_.run(cut_, chosen));
      MinimalCase candidate{violation_.cut, chosen, verdict, form, 0};
      if (verdict.violates() && candidate.size() <= best.size()) best = std::move(candidate);
      return verdict.violates();
    });
    if (!found) return tl::unexpected(found.error());
    return best;
  }

  Trial& trial_;
  const Cut& cut_;
  const Violation& violation_;
  const MinimiseOptions& options_;
  std::size_t left_;
};

}  // namespace

std::size_t MinimalCase::size() const { return indices_of(chosen, form == Form::Reached).size(); }

Result<MinimalCase> minimise(Trial& trial, const Violation& violation, const MinimiseOptions& options) {
  return Minimiser(trial, violation, options).run();
}

}  // namespace pagefold::crash
