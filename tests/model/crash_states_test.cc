// The states that a power cut can leave: those of the code under test are those of a reference that tries every subset
// (crash_reference.h). A sample shows nothing else, whatever the budget; and what the minimiser leaves is still a
// violation, and none once any one thing less is wrong.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <ostream>

#include "crash/minimise.h"
#include "crash/plan.h"
#include "crash_reference.h"

namespace pagefold::crash::reference {

void showValue(const Step& step, std::ostream& to) {
  to << '{' << static_cast<int>(step.what) << ", file " << step.file << ", " << step.first << ", " << step.second
     << '}';
}

namespace {

constexpr std::array kModels = {Model::Strict, Model::Posix, Model::Ext4Ordered};
constexpr std::size_t kMostEffects = 11;
constexpr int kPrograms = 5;  // of one try

// Of full length from the first run on: small programs have few states.
Play program(Bytes slot = kPageSize) {
  const auto step = rc::gen::apply(
      [](int what, int file, int first, int second) {
        return Step{static_cast<Do>(what), file, first, second};
      },
      rc::gen::inRange(0, kDos), rc::gen::inRange(0, kFiles), rc::gen::inRange(0, 12), rc::gen::inRange(0, 12));
  return {*rc::gen::resize(rc::kNominalSize, rc::gen::container<std::vector<Step>>(14, step)), slot, kMostEffects};
}

States enumerated(const Play& play, Model model) {
  const History history(play.log.log(), play.slot);
  const Rules rules = rules_of(history, model);
  States found;
  for (Position p = play.begin; p <= play.events.size(); ++p) {
    if (model == Model::Strict && p < play.events.size() && play.events[p].together) continue;
    const Cut cut(history, rules, p);
    cut.for_each([&](const Chosen& chosen) {
      RC_ASSERT(cut.is_closed(chosen));
      found[p].insert(words(history, image_of(history, cut.values(chosen)), p));
      return true;
    });
  }
  return found;
}

// What a plan visits. Equal hashes mean equal files.
struct Visited {
  std::set<std::string> states;
  std::vector<std::string> in_order;
  std::size_t fresh = 0;
  PlanOutcome outcome;
};

Visited visited(const Play& play, Model model, const PlanOptions& options) {
  const History history(play.log.log(), play.slot);
  const Rules rules = rules_of(history, model);
  Visited all;
  std::map<std::uint64_t, std::string> hashes;
  all.outcome = visit_states(history, rules, options, [&](const auto& cut, const Chosen& chosen) {
    RC_ASSERT(cut->is_closed(chosen));
    const Image image = image_of(history, cut->values(chosen));
    const std::string text = words(history, image, cut->position()), files = text.substr(text.find(':'));
    RC_ASSERT(hashes.try_emplace(image.hash, files).first->second == files);
    all.in_order.push_back(text);
    if (!all.states.insert(text).second) return Visit::Known;
    ++all.fresh;
    return Visit::New;
  });
  std::set<std::string> different;
  for (const auto& [hash, files] : hashes) RC_ASSERT(different.insert(files).second);
  return all;
}

RC_GTEST_PROP(CrashStates, AreWhatTheModelsWordsAllow, ()) {
  for (int i = 0; i < kPrograms; ++i) {
    const Play play = program();
    for (const Model model : kModels) RC_ASSERT(enumerated(play, model) == states(play, model));
  }
}

RC_GTEST_PROP(CrashStates, OfHalfPagesAreWhatTheModelsWordsAllow, ()) {
  for (int i = 0; i < kPrograms; ++i) {
    const Play play = program(kPageSize / 2);
    for (const Model model : kModels) RC_ASSERT(enumerated(play, model) == states(play, model));
  }
}

RC_GTEST_PROP(CrashStates, OfTheCutsLookedAtAreThoseOfAllCuts, ()) {
  const Play play = program();
  for (const Model model : kModels) {
    const Visited all = visited(play, model, {.budget = 1'000'000});
    RC_ASSERT(all.outcome.exhaustive);
    RC_ASSERT(all.states == together(states(play, model)));
  }
}

// At every cut, a stricter model leaves no state that a weaker one does not.
RC_GTEST_PROP(CrashStates, AreFewerUnderAStricterModel, ()) {
  const Play play = program();
  const States strict = enumerated(play, Model::Strict), ext4 = enumerated(play, Model::Ext4Ordered),
               posix = enumerated(play, Model::Posix);
  for (const auto& [cut, some] : strict) RC_ASSERT(std::ranges::includes(ext4.at(cut), some));
  for (const auto& [cut, some] : ext4) RC_ASSERT(std::ranges::includes(posix.at(cut), some));
}

RC_GTEST_PROP(CrashStates, OfASampleAreLegalAndWithinTheBudget, ()) {
  const Play play = program();
  const PlanOptions options{.budget = *rc::gen::inRange<std::size_t>(1, 40),
                            .seed = *rc::gen::inRange<std::uint64_t>(1, 1000)};
  for (const Model model : kModels) {
    const auto whole = together(states(play, model));
    const Visited sample = visited(play, model, options);
    RC_ASSERT(sample.fresh <= options.budget);
    RC_ASSERT(std::ranges::includes(whole, sample.states));
    RC_ASSERT(!sample.outcome.exhaustive || sample.states == whole);
    RC_ASSERT(sample.states.size() >= std::min<std::size_t>(options.budget, 2) || whole.size() < 2);
    RC_ASSERT(sample.in_order == visited(play, model, options).in_order);  // the same seed, the same states
  }
}

// A checker that counts changes it would rather not see, and others that it misses.
RC_GTEST_PROP(CrashStates, OfAMinimalCaseViolateAndNoSmallerOneDoes, ()) {
  const Play play = program(*rc::gen::element(kPageSize, kPageSize / 2));
  const Model model = *rc::gen::element(Model::Posix, Model::Ext4Ordered);
  const History history(play.log.log(), play.slot);
  const Rules rules = rules_of(history, model);
  const auto cut = std::make_shared<const Cut>(history, rules, *rc::gen::inRange(play.begin, play.events.size() + 1));
  if (cut->size() == 0) return;
  const auto mask = *rc::gen::container<std::vector<int>>(cut->size(), rc::gen::inRange(0, 3));
  const int limit = *rc::gen::inRange(1, 4);
  const auto violates = [&](const Chosen& chosen) {
    int count = 0;
    for (std::size_t i = 0; i < chosen.size(); ++i)
      count += (mask[i] == 1 && chosen[i]) || (mask[i] == 2 && !chosen[i]) ? 1 : 0;
    return count >= limit;
  };
  std::vector<Chosen> broken;
  cut->for_each([&](const Chosen& chosen) {
    if (violates(chosen)) broken.push_back(chosen);
    return true;
  });
  if (broken.empty()) return;
  std::size_t asked = 0;
  const Probe probe = [&](const Cut&, const Chosen& chosen) -> Result<std::optional<Verdict>> {
    ++asked;
    RC_ASSERT(cut->is_closed(chosen));
    return Verdict{violates(chosen) ? Verdict::Kind::Broken : Verdict::Kind::Sound, 0, {}};
  };
  const auto minimal = minimise(probe, {0, cut, *rc::gen::elementOf(broken), {Verdict::Kind::Broken, 1, {}}});
  RC_ASSERT(minimal.has_value());
  RC_ASSERT(minimal->smallest && minimal->trials == asked);
  RC_ASSERT(cut->is_closed(minimal->chosen) && violates(minimal->chosen) && minimal->verdict.violates());
  for (std::size_t i = 0; i < cut->size(); ++i) {
    Chosen less = minimal->chosen;
    if (minimal->form == MinimalCase::Form::Missing ? less[i] : !less[i]) continue;
    less[i] = !less[i];
    minimal->form == MinimalCase::Form::Missing ? cut->close_upwards(less) : cut->close_downwards(less);
    RC_ASSERT(!violates(less));
  }
}

}  // namespace
}  // namespace pagefold::crash::reference
