#include "crash/plan.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace pagefold::crash {
namespace {

constexpr std::size_t kPairedAtoms = 32, kRandomSets = 64;

using Random = std::mt19937_64;

// One kind of sets: the i-th of `size` of them.
struct Stage {
  std::size_t size;
  std::function<Chosen(std::size_t)> make;
};

// The i-th pair (first < second) of n things.
std::pair<std::size_t, std::size_t> pair_at(std::size_t i, std::size_t n) {
  std::size_t first = 0;
  for (std::size_t row = n - 1; i >= row; --row) {
    i -= row;
    ++first;
  }
  return {first, first + 1 + i};
}

class CutPlan {
 public:
  CutPlan(std::shared_ptr<const Cut> cut, Random& random) : cut_(std::move(cut)), random_(random), n_(cut_->size()) {}

  // True: the plan of this cut is done. `left`: how many new states may still be visited.
  bool visit(std::size_t& left, bool& stopped, const Visitor& visitor) {
    if (cut_->count(left + 1) <= left) return everything(left, stopped, visitor);
    for (const Stage& stage : stages()) {
      std::vector<std::size_t> order(stage.size);
      std::iota(order.begin(), order.end(), std::size_t{0});
      if (stage.size > left) std::ranges::shuffle(order, random_);
      for (const std::size_t i : order) {
        if (left == 0) return false;
        switch (visitor(cut_, stage.make(i))) {
          case Visit::New:
            --left;
            break;
          case Visit::Known:
            break;
          case Visit::Stop:
            stopped = true;
            return false;
        }
      }
    }
    sampled_ = true;
    return true;
  }
  [[nodiscard]] bool sampled() const { return sampled_; }

 private:
  bool everything(std::size_t& left, bool& stopped, const Visitor& visitor) {
    return cut_->for_each([&](const Chosen& chosen) {
      const Visit outcome = visitor(cut_, chosen);
      if (outcome == Visit::New) --left;
      stopped = outcome == Visit::Stop;
      return !stopped;
    });
  }

  [[nodiscard]] Chosen without(Chosen chosen) const {
    cut_->close_downwards(chosen);
    return chosen;
  }
  [[nodiscard]] Chosen with_needs(Chosen chosen) const {
    cut_->close_upwards(chosen);
    return chosen;
  }
  [[nodiscard]] Chosen all() const { return Chosen(n_, true); }
  [[nodiscard]] Chosen none() const { return Chosen(n_, false); }
  [[nodiscard]] Chosen prefix(std::size_t length) const {
    Chosen chosen(n_, false);
    std::fill_n(chosen.begin(), length, true);
    return chosen;
  }

  std::vector<Stage> stages() {
    const bool paired = n_ <= kPairedAtoms;
    const std::size_t pairs = paired ? n_ * (n_ - 1) / 2 : 0;
    return {
        {2, [this](std::size_t i) { return i == 0 ? all() : none(); }},
        {n_, [this](std::size_t i) { return except(all(), i); }},
        {n_, [this](std::size_t i) { return with_needs(set(none(), i)); }},
        {n_, [this](std::size_t i) { return prefix(i + 1); }},
        {pairs,
         [this](std::size_t i) {
           const auto [a, b] = pair_at(i, n_);
           return except(except(all(), a), b);
         }},
        {pairs,
         [this](std::size_t i) {
           const auto [a, b] = pair_at(i, n_);
           return with_needs(set(set(none(), a), b));
         }},
        {pairs,
         [this](std::size_t i) {
           const auto [a, b] = pair_at(i, n_);
           return except(prefix(b + 1), a);
         }},
        {kRandomSets, [this](std::size_t i) { return random_set(i); }},
    };
  }

  static Chosen set(Chosen chosen, std::size_t i) {
    chosen[i] = true;
    return chosen;
  }
  [[nodiscard]] Chosen except(Chosen chosen, std::size_t i) const {
    chosen[i] = false;
    return without(std::move(chosen));
  }
  // Few, half or most of the atoms.
  Chosen random_set(std::size_t i) {
    constexpr std::array kShares = {0.1, 0.5, 0.9};
    std::bernoulli_distribution there(kShares[i % kShares.size()]);
    Chosen chosen(n_);
    for (std::size_t k = 0; k < n_; ++k) chosen[k] = there(random_);
    return i % 2 == 0 ? without(std::move(chosen)) : with_needs(std::move(chosen));
  }

  std::shared_ptr<const Cut> cut_;
  Random& random_;
  std::size_t n_;
  bool sampled_ = false;
};

// The number of states of all cuts, counted up to `most`.
std::size_t count_states(const History& history, const Rules& rules, std::size_t most) {
  std::size_t states = 0;
  for (const Position p : rules.cuts) {
    states += Cut(history, rules, p).count(most - states);
    if (states >= most) break;
  }
  return states;
}

}  // namespace

PlanOutcome visit_states(const History& history, const Rules& rules, const PlanOptions& options, const Visitor& visit) {
  Random random(options.seed);
  PlanOutcome outcome;
  std::size_t left = options.budget;
  bool stopped = false, sampled = false;
  const bool all_fit = count_states(history, rules, left + 1) <= left;
  std::vector<Position> unfinished = rules.cuts;
  while (!unfinished.empty() && left > 0 && !stopped) {
    std::vector<Position> again;
    const std::size_t before = left;
    for (std::size_t i = 0; i < unfinished.size() && !stopped; ++i) {
      std::size_t share = all_fit ? left : std::max<std::size_t>(1, left / (unfinished.size() - i));
      share = std::min(share, left);
      const std::size_t given = share;
      CutPlan plan(std::make_shared<const Cut>(history, rules, unfinished[i]), random);
      if (share == 0 || !plan.visit(share, stopped, visit)) again.push_back(unfinished[i]);
      sampled = sampled || plan.sampled();
      left -= given - share;
    }
    unfinished = std::move(again);
    if (left == before) break;
  }
  outcome.finished = unfinished.empty() && !stopped;
  outcome.exhaustive = outcome.finished && !sampled;
  return outcome;
}

}  // namespace pagefold::crash
