// The states that a power cut can leave, against a reference that knows nothing of units, atoms and cuts: it tries every subset
// of what the events do, at every position, and keeps those that the model's words allow (docs/crash.md).
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "crash/image.h"
#include "crash/plan.h"

namespace pagefold::crash {
namespace {

// What happens: kind, file (two of them), page (two each). The value written is the event's own number.
using Step = std::tuple<int, int, int>;
enum Kind { Write, Shrink, Grow, Move, SyncFile, SyncPage, SyncDirectory, kKinds };

constexpr int kPages = 2;
const std::vector<std::string> kNames = {"a", "b"};

// One thing that reaches the disk as a whole.
struct Effect {
  std::size_t event = 0;
  int file = 0;
  bool names = false, resize = false;
  std::map<std::string, int> sets;  // "0.1": page 1 of file 0; "0.size"; "a": the file of that name, or -1
};

std::string page_key(int file, int page) { return std::to_string(file) + "." + std::to_string(page); }
std::string size_key(int file) { return std::to_string(file) + ".size"; }

using State = std::map<std::string, int>;

// The files in words: name=size[pages].
std::string words(const State& state) {
  std::string text;
  for (const std::string& name : kNames) {
    const auto entry = state.find(name);
    if (entry == state.end() || entry->second < 0) continue;
    const auto value = [&](const std::string& key) { return state.contains(key) ? state.at(key) : 0; };
    const int size = value(size_key(entry->second));
    text += name + "=" + std::to_string(size) + "[";
    for (int page = 0; page < size; ++page) text += std::to_string(value(page_key(entry->second, page))) + ",";
    text += "]";
  }
  return text;
}

// Plays the steps: the log for the code under test, the effects for the reference.
struct Play {
  LogBuilder log;
  std::vector<Event> events;
  std::vector<Effect> effects;
  State now;
  std::vector<std::vector<std::byte>> bytes;  // what the events' pieces point to

  void event(Event e) {
    events.push_back(e);
    log.add(e);
  }
  void effect(std::size_t at, int file, std::map<std::string, int> sets, bool names = false, bool resize = false) {
    std::erase_if(sets, [&](const auto& s) { return !names && (now.contains(s.first) ? now[s.first] : 0) == s.second; });
    if (sets.empty()) return;
    for (const auto& [key, value] : sets) now[key] = value;
    effects.push_back({at, file, names, resize, std::move(sets)});
  }

  explicit Play(const std::vector<Step>& steps) {
    event({});
    for (int file = 0; file < 2; ++file) create(file);
    for (const auto& [kind, file, page] : steps) step(kind, file, page);
  }
  void create(int file) {
    Event e{.kind = EventKind::Create, .file = static_cast<FileNumber>(file + 2), .directory = kRoot};
    e.name = kNames[static_cast<std::size_t>(file)];
    event(e);
    effect(events.size() - 1, file, {{e.name, file}}, true);
  }
  void step(int kind, int file, int page) {
    Event e{.file = static_cast<FileNumber>(file + 2)};
    const std::size_t at = events.size();
    const int value = static_cast<int>(at), size = now[size_key(file)];
    switch (kind) {
      case Write:
        e.kind = EventKind::Write;
        bytes.emplace_back(kPageSize, static_cast<std::byte>(value));
        e.pieces.push_back({bytes_of(static_cast<PageIndex>(page)), bytes.back(), 0});
        if (page + 1 > size) e.size = bytes_of(static_cast<PageIndex>(page + 1));
        effect(at, file, {{page_key(file, page), value}});
        if (page + 1 > size) effect(at, file, {{size_key(file), page + 1}});
        break;
      case Shrink:
      case Grow: {
        e.kind = EventKind::Truncate;
        const int wanted = kind == Shrink ? std::min(page, size) : std::max(page + 1, size);
        e.size = bytes_of(static_cast<PageIndex>(wanted));
        std::map<std::string, int> sets = {{size_key(file), wanted}};
        for (int p = wanted; p < size; ++p) sets[page_key(file, p)] = 0;
        effect(at, file, sets, false, true);
        break;
      }
      case Move: {
        const std::string from = kNames[static_cast<std::size_t>(page)], to = kNames[static_cast<std::size_t>(1 - page)];
        if (!now.contains(from) || now[from] < 0) return;
        const int moved = now[from];
        e = {.kind = EventKind::Rename, .file = static_cast<FileNumber>(moved + 2), .directory = kRoot, .to_directory = kRoot};
        e.name = from;
        e.to_name = to;
        effect(at, moved, {{from, -1}, {to, moved}}, true);
        break;
      }
      case SyncFile: e.kind = page == 0 ? EventKind::Sync : EventKind::SyncData; break;
      case SyncPage:
        e.kind = EventKind::SyncRange;
        e.offset = bytes_of(static_cast<PageIndex>(page));
        e.length = kPageSize;
        break;
      case SyncDirectory:
        e.kind = EventKind::Sync;
        e.file = kRoot;
        break;
      default: return;
    }
    e.covers = at;
    event(e);
  }
};

bool promised(const Effect& effect, const Event& sync) {
  if (sync.kind == EventKind::Sync && sync.file == kRoot) return effect.names;
  const bool sync_of_file = sync.kind == EventKind::Sync || sync.kind == EventKind::SyncData || sync.kind == EventKind::SyncRange;
  if (!sync_of_file || effect.names || sync.file != static_cast<FileNumber>(effect.file + 2)) return false;
  const bool one_page = effect.sets.size() == 1 && !effect.resize && effect.sets.begin()->first.find("size") == std::string::npos;
  if (sync.kind != EventKind::SyncRange || !one_page) return true;
  return effect.sets.begin()->first == page_key(effect.file, static_cast<int>(page_of(sync.offset)));
}

bool meet(const Effect& a, const Effect& b) {
  return std::ranges::any_of(a.sets, [&](const auto& s) { return b.sets.contains(s.first); });
}

// posix, in its own words: what syncs have promised is there; entries of one name, and sizes of one file, come in order.
bool posix_allows(const Play& play, std::size_t cut, const std::vector<bool>& there) {
  for (std::size_t i = 0; i < there.size(); ++i) {
    for (std::size_t p = play.effects[i].event + 1; p < cut && !there[i]; ++p)
      if (promised(play.effects[i], play.events[p])) return false;
    const bool data = !play.effects[i].names && !play.effects[i].sets.contains(size_key(play.effects[i].file));
    for (std::size_t earlier = 0; earlier < i && there[i]; ++earlier) {
      const Effect& before = play.effects[earlier];
      const bool size_of_same = !data && !play.effects[i].names && before.sets.contains(size_key(play.effects[i].file));
      const bool same_name = play.effects[i].names && before.names && meet(before, play.effects[i]);
      if ((size_of_same || same_name) && !there[earlier]) return false;
    }
  }
  return true;
}

bool strict_allows(const Play& play, std::size_t cut, const std::vector<bool>& there) {
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (!there[i] && play.effects[i].event + 1 < cut) return false;
    if (there[i] && i > 0 && !there[i - 1]) return false;
  }
  return true;
}

using Allows = bool (*)(const Play&, std::size_t, const std::vector<bool>&);

// By the position of the cut: what an earlier cut can leave, a later one may not, since it follows a sync.
using States = std::map<std::size_t, std::set<std::string>>;

States reference(const Play& play, Allows allows) {
  States states;
  for (std::size_t cut = 1; cut <= play.events.size(); ++cut) {
    std::size_t open = 0;
    while (open < play.effects.size() && play.effects[open].event < cut) ++open;
    for (std::size_t set = 0; set < std::size_t{1} << open; ++set) {
      std::vector<bool> there(open);
      State state;
      for (std::size_t i = 0; i < open; ++i) {
        there[i] = (set >> i & 1) != 0;
        if (there[i])
          for (const auto& [key, value] : play.effects[i].sets) state[key] = value;
      }
      if (allows(play, cut, there)) states[cut].insert(words(state));
    }
  }
  return states;
}

std::string words(const History& history, const Image& image) {
  std::string text;
  for (const Image::File& file : image.files) {
    const auto pages = page_of(file.size);
    text += file.path + "=" + std::to_string(pages) + "[";
    for (PageIndex page = 0; page < pages; ++page) {
      const auto unit = file.what->data.find(bytes_of(page) / history.grain());
      const std::byte* const bytes = unit == file.what->data.end() ? nullptr : image.values[unit->second].bytes;
      text += std::to_string(bytes == nullptr ? 0 : static_cast<int>(*bytes)) + ",";
    }
    text += "]";
  }
  return text;
}

States at_each_cut(const Play& play, Model model) {
  const History history(play.log.log(), kPageSize);
  const Rules rules = rules_of(history, model);
  States states;
  for (Position p = 1; p <= play.events.size(); ++p) {
    const Cut cut(history, rules, p);
    cut.for_each([&](const Chosen& chosen) {
      RC_ASSERT(cut.is_closed(chosen));
      states[p].insert(words(history, image_of(history, cut.values(chosen))));
      return true;
    });
  }
  return states;
}

// The states of the cuts that are looked at; equal hashes mean equal files.
std::set<std::string> enumerated(const Play& play, Model model) {
  const History history(play.log.log(), kPageSize);
  const Rules rules = rules_of(history, model);
  std::set<std::string> states;
  std::map<std::string, std::uint64_t> hashes;
  const PlanOutcome outcome = visit_states(history, rules, {.budget = 1'000'000}, [&](const auto& cut, const Chosen& chosen) {
    const Image image = image_of(history, cut->values(chosen));
    const std::string text = words(history, image);
    states.insert(text);
    RC_ASSERT(hashes.try_emplace(text, image.hash).first->second == image.hash);
    return Visit::New;
  });
  RC_ASSERT(outcome.exhaustive);
  std::set<std::uint64_t> different;
  for (const auto& [text, hash] : hashes) different.insert(hash);
  RC_ASSERT(different.size() == hashes.size());
  return states;
}

std::set<std::string> together(const States& states) {
  std::set<std::string> all;
  for (const auto& [cut, some] : states) all.insert(some.begin(), some.end());
  return all;
}

// Of full size from the first run on: small logs have few states.
rc::Gen<std::vector<Step>> steps(std::size_t most) {
  const auto step = rc::gen::tuple(rc::gen::inRange(0, static_cast<int>(kKinds)), rc::gen::inRange(0, 2), rc::gen::inRange(0, kPages));
  const auto lists = rc::gen::mapcat(rc::gen::inRange<std::size_t>(most / 2, most + 1),
                                     [step](std::size_t n) { return rc::gen::container<std::vector<Step>>(n, step); });
  return rc::gen::resize(rc::kNominalSize, lists);
}

RC_GTEST_PROP(CrashStates, PosixIsWhatItsWordsSay, ()) {
  const Play play(*steps(12));
  RC_ASSERT(at_each_cut(play, Model::Posix) == reference(play, posix_allows));
}

RC_GTEST_PROP(CrashStates, StrictIsProgramOrder, ()) {
  const Play play(*steps(12));
  RC_ASSERT(at_each_cut(play, Model::Strict) == reference(play, strict_allows));
}

RC_GTEST_PROP(CrashStates, TheCutsLookedAtLeaveAllThatAnyLeaves, ()) {
  const Play play(*steps(11));
  for (const Model model : {Model::Strict, Model::Posix, Model::Ext4Ordered})
    RC_ASSERT(enumerated(play, model) == together(at_each_cut(play, model)));
}

// At every cut, a stricter model leaves no state that a weaker one does not.
RC_GTEST_PROP(CrashStates, StricterModelsLeaveFewerStates, ()) {
  const Play play(*steps(11));
  const States strict = at_each_cut(play, Model::Strict), ext4 = at_each_cut(play, Model::Ext4Ordered), posix = at_each_cut(play, Model::Posix);
  for (const auto& [cut, states] : posix) {
    RC_ASSERT(std::ranges::includes(states, ext4.at(cut)));
    RC_ASSERT(std::ranges::includes(ext4.at(cut), strict.at(cut)));
  }
}

// A sample shows nothing that all states do not contain, and every state within its budget is another one.
RC_GTEST_PROP(CrashStates, ASampleIsPartOfTheWhole, ()) {
  const Play play(*steps(12));
  const std::size_t budget = *rc::gen::inRange<std::size_t>(1, 40);
  const History history(play.log.log(), kPageSize);
  const Rules rules = rules_of(history, Model::Posix);
  const auto whole = enumerated(play, Model::Posix);
  std::set<std::string> sample;
  std::size_t fresh = 0;
  visit_states(history, rules, {.budget = budget}, [&](const auto& cut, const Chosen& chosen) {
    RC_ASSERT(cut->is_closed(chosen));
    const bool is_new = sample.insert(words(history, image_of(history, cut->values(chosen)))).second;
    fresh += is_new ? 1 : 0;
    return is_new ? Visit::New : Visit::Known;
  });
  RC_ASSERT(fresh <= budget);
  RC_ASSERT(std::ranges::includes(whole, sample));
  RC_ASSERT(sample.size() >= std::min<std::size_t>(budget, 2) || whole.size() < 2);
}

}  // namespace
}  // namespace pagefold::crash
