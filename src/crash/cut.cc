#include "crash/cut.h"

#include <algorithm>

namespace pagefold::crash {

Cut::Cut(const History& history, const Rules& rules, Position position)
    : history_(history), position_(position), base_(history.initial()), base_from_(history.units().size()) {
  constexpr std::size_t kClosed = ~std::size_t{0};
  std::vector<std::size_t> index(history.atoms().size(), kClosed);
  for (AtomNumber a = 0; a < history.atoms().size() && history.atoms()[a].event < position; ++a) {
    if (rules.certain_from[a] > position) {
      index[a] = open_.size();
      open_.push_back(a);
      needs_.emplace_back();
      for (const AtomNumber need : rules.needs[a])
        if (index[need] != kClosed) needs_.back().push_back(index[need]);
      continue;
    }
    for (const Change& change : history.atoms()[a].changes) {
      base_[change.unit] = change.value;
      base_from_[change.unit] = a + 1;
    }
  }
}

bool Cut::is_closed(const Chosen& chosen) const {
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (chosen[i] && !std::ranges::all_of(needs_[i], [&](std::size_t need) { return chosen[need]; })) return false;
  return true;
}

void Cut::close_upwards(Chosen& chosen) const {
  for (std::size_t i = open_.size(); i-- > 0;)
    if (chosen[i])
      for (const std::size_t need : needs_[i]) chosen[need] = true;
}

void Cut::close_downwards(Chosen& chosen) const {
  for (std::size_t i = 0; i < open_.size(); ++i)
    if (chosen[i]) chosen[i] = std::ranges::all_of(needs_[i], [&](std::size_t need) { return chosen[need]; });
}

std::size_t Cut::count(std::size_t most) const {
  std::size_t states = 0;
  for_each([&](const Chosen&) { return ++states < most; });
  return states;
}

bool Cut::for_each(const std::function<bool(const Chosen&)>& visit) const {
  Chosen chosen(open_.size());
  return extend(chosen, 0, visit);
}

bool Cut::extend(Chosen& chosen, std::size_t at, const std::function<bool(const Chosen&)>& visit) const {
  if (at == open_.size()) return visit(chosen);
  const bool possible = std::ranges::all_of(needs_[at], [&](std::size_t need) { return chosen[need]; });
  if (possible) {
    chosen[at] = true;
    if (!extend(chosen, at + 1, visit)) return false;
  }
  chosen[at] = false;
  return extend(chosen, at + 1, visit);
}

std::vector<Value> Cut::values(const Chosen& chosen) const {
  std::vector<Value> values = base_;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (!chosen[i]) continue;
    for (const Change& change : history_.atoms()[open_[i]].changes)
      if (base_from_[change.unit] <= open_[i]) values[change.unit] = change.value;
  }
  return values;
}

}  // namespace pagefold::crash
