#include "crash_reference.h"

#include <linux/falloc.h>

#include <algorithm>

namespace pagefold::crash::reference {
namespace {

std::string slot_key(int file, int s) { return std::to_string(file) + "." + std::to_string(s); }
std::string size_key(int file) { return std::to_string(file) + ".size"; }
int value(const Disk& disk, const std::string& key, int otherwise = 0) {
  const auto it = disk.find(key);
  return it == disk.end() ? otherwise : it->second;
}

std::string words(const Disk& disk, int told) {
  std::string text = std::to_string(told) + ":";
  std::map<int, std::string> shown;  // two names of one file are another state than two files
  for (const std::string& name : kNames) {
    const int file = value(disk, name, -1);
    if (file < 0) continue;
    text += name + "=" + shown.try_emplace(file, name).first->second + "[";
    for (int s = 0; s < value(disk, size_key(file)); ++s) text += std::to_string(value(disk, slot_key(file, s))) + ",";
    text += "]";
  }
  return text;
}

int told_before(const std::vector<Event>& events, std::size_t cut) {
  return static_cast<int>(std::ranges::count(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(cut),
                                             EventKind::Output, &Event::kind));
}

using Set = std::vector<bool>;  // effects that are on the disk

class Judge {
 public:
  Judge(const Play& play, std::size_t cut, const Set& there, Model model)
      : play_(play), cut_(cut), there_(there), model_(model) {}

  [[nodiscard]] bool allows() const {
    switch (model_) {
      case Model::Strict:
        return in_program_order();
      case Model::Posix:
        return keeps_promises() && objects_in_order() && moved_data_first();
      case Model::Ext4Ordered:
        return keeps_promises() && objects_in_order() && moved_data_first() && journal_in_order() &&
               new_blocks_by_the_journal() && data_before_size() && renames_bring_data();
    }
    return false;
  }

 private:
  [[nodiscard]] const Effect& at(std::size_t i) const { return play_.effects[i]; }
  [[nodiscard]] bool journalled(std::size_t i) const {
    return at(i).kind == Effect::Kind::Names || at(i).kind == Effect::Kind::Resize;
  }
  [[nodiscard]] bool shares(std::size_t i, std::size_t k) const {
    return std::ranges::any_of(at(i).sets, [&](const auto& s) { return at(k).sets.contains(s.first); });
  }

  // "A cut at event n leaves all events before n, and the atoms of n up to one of them"; stores seen together are one
  // event.
  [[nodiscard]] bool in_program_order() const {
    for (std::size_t i = 0; i < there_.size(); ++i) {
      if (there_[i] && i > 0 && !there_[i - 1]) return false;
      std::size_t last = at(i).event;
      while (last + 1 < play_.events.size() && play_.events[last + 1].together) ++last;
      const bool several = last != at(i).event || play_.events[last].together;
      if (!there_[i] && (last + 1 < cut_ || several)) return false;
    }
    return true;
  }

  // The table of promises.
  [[nodiscard]] bool promised(std::size_t i, const Event& sync) const {
    const bool directory = sync.file == kRoot;
    const bool of_it = sync.file == static_cast<FileNumber>(at(i).file + 2);
    switch (sync.kind) {
      case EventKind::SyncAll:
        return true;
      case EventKind::Sync:
      case EventKind::SyncData:
        return at(i).kind == Effect::Kind::Names ? directory : of_it;
      case EventKind::SyncRange: {
        if (!of_it || at(i).kind == Effect::Kind::Names) return false;
        if (at(i).kind != Effect::Kind::Slot) return true;
        const auto s = static_cast<Bytes>(std::stoi(at(i).sets.begin()->first.substr(2)));
        return s * play_.slot < sync.offset + sync.length && (s + 1) * play_.slot > sync.offset;
      }
      default:
        return false;
    }
  }
  // ext4: "a sync commits the journal up to the file's last change in it"; changes of times alone count for fsync only.
  [[nodiscard]] bool committed(std::size_t i, const Event& sync) const {
    if (model_ != Model::Ext4Ordered || !journalled(i)) return false;
    for (std::size_t k = i; k < there_.size() && at(k).event < sync.covers; ++k) {
      const bool of_it =
          at(k).file + 2 == static_cast<int>(sync.file) || (at(k).kind == Effect::Kind::Names && promised(k, sync));
      const bool only_times = at(k).kind == Effect::Kind::Slot || (at(k).kind == Effect::Kind::Names && !at(k).creates);
      if (of_it && (sync.kind == EventKind::Sync || !only_times)) return true;
    }
    return false;
  }
  [[nodiscard]] bool keeps_promises() const {
    for (std::size_t p = play_.begin; p < cut_; ++p)
      for (std::size_t i = 0; i < there_.size() && at(i).event < play_.events[p].covers; ++i)
        if (!there_[i] && (promised(i, play_.events[p]) || committed(i, play_.events[p]))) return false;
    return true;
  }

  // "So does an inode its earlier sizes, and a directory entry its earlier changes."
  [[nodiscard]] bool objects_in_order() const {
    for (std::size_t i = 0; i < there_.size(); ++i)
      for (std::size_t k = 0; k < i && there_[i]; ++k) {
        const bool sized = at(i).sets.contains(size_key(at(i).file)) && at(k).sets.contains(size_key(at(i).file));
        const bool named = at(i).kind == Effect::Kind::Names && shares(i, k);
        if (!there_[k] && (sized || named)) return false;
      }
    return true;
  }
  // "Of creations, links, renames, removals, truncations and fallocations, the disk has a prefix."
  [[nodiscard]] bool journal_in_order() const {
    bool missing = false;
    for (std::size_t i = 0; i < there_.size(); ++i) {
      if (!journalled(i)) continue;
      if (there_[i] && missing) return false;
      missing = missing || !there_[i];
    }
    return true;
  }
  // "Collapsing and inserting a range writes out first what is going to move."
  [[nodiscard]] bool moves(std::size_t i) const { return play_.events[at(i).event].mode == FALLOC_FL_COLLAPSE_RANGE || play_.events[at(i).event].mode == FALLOC_FL_INSERT_RANGE; }
  [[nodiscard]] bool lies_behind(std::size_t i, Bytes offset) const {
    return at(i).kind == Effect::Kind::Slot && static_cast<Bytes>(std::stoi(at(i).sets.begin()->first.substr(2)) + 1) * play_.slot > offset;
  }
  [[nodiscard]] bool moved_data_first() const {
    for (std::size_t i = 0; i < there_.size(); ++i)
      for (std::size_t k = 0; k < i && there_[i] && moves(i); ++k)
        if (at(k).file == at(i).file && lies_behind(k, play_.events[at(i).event].offset) && !there_[k]) return false;
    return true;
  }
  // "New blocks and new sizes become part of a file by the journal, and so does what lies behind a range that was moved: with all
  // that the journal had before."
  [[nodiscard]] bool by_the_journal(std::size_t i) const {
    bool moved = false;
    for (std::size_t p = play_.begin; p < at(i).event; ++p) {
      const Event& event = play_.events[p];
      const bool moves = event.kind == EventKind::Allocate && (event.mode == FALLOC_FL_COLLAPSE_RANGE || event.mode == FALLOC_FL_INSERT_RANGE);
      moved = moved || (moves && event.file == static_cast<FileNumber>(at(i).file + 2) && lies_behind(i, event.offset));
    }
    return at(i).kind == Effect::Kind::Growth || (at(i).kind == Effect::Kind::Slot && (at(i).allocates || moved));
  }
  // "A page that is written back contains all earlier stores to it": what these need, it needs.
  [[nodiscard]] std::vector<std::size_t> contained_in(std::size_t i) const {
    std::vector<std::size_t> all = {i};
    for (std::size_t k = i; k-- > 0 && at(i).kind == Effect::Kind::Slot;) {
      if (shares(i, k) && at(k).kind != Effect::Kind::Slot) break;
      if (shares(i, k)) all.push_back(k);
    }
    return all;
  }
  [[nodiscard]] bool new_blocks_by_the_journal() const {
    for (std::size_t i = 0; i < there_.size(); ++i) {
      if (!there_[i]) continue;
      for (const std::size_t part : contained_in(i))
        for (std::size_t k = 0; k < part && by_the_journal(part); ++k)
          if (journalled(k) && !there_[k]) return false;
    }
    return true;
  }
  // "Blocks that a write allocates are on the disk before the size that shows them."
  [[nodiscard]] bool data_before_size() const {
    for (std::size_t i = 0; i < there_.size(); ++i)
      for (std::size_t k = 0; k < i && there_[i] && at(i).kind == Effect::Kind::Growth; ++k)
        if (at(k).event == at(i).event && at(k).allocates && !there_[k]) return false;
    return true;
  }
  // "A rename over an existing file brings the newly written data of the file along."
  [[nodiscard]] bool renames_bring_data() const {
    for (std::size_t i = 0; i < there_.size(); ++i)
      for (std::size_t k = 0; k < i && there_[i] && at(i).replaces; ++k) {
        const bool data = at(k).file == at(i).file && (at(k).delayed || at(k).kind == Effect::Kind::Growth);
        if (data && !there_[k]) return false;
      }
    return true;
  }

  const Play& play_;
  std::size_t cut_;
  const Set& there_;
  Model model_;
};

bool splits_together(const Play& play, std::size_t cut) {
  return cut < play.events.size() && play.events[cut].together;
}

}  // namespace

// ---- playing

Play::Play(const std::vector<Step>& steps, Bytes slot_size, std::size_t most_effects) : slot(slot_size) {
  // Before the run: a file of two slots, and an empty one.
  for (int file = 0; file < 2; ++file) {
    Event create = of(file, EventKind::Create);
    create.directory = kRoot;
    create.name = kNames[static_cast<std::size_t>(file)];
    event(create);
    effect(Effect::Kind::Names, file, {{create.name, file}});
  }
  fill(EventKind::Write, 0, 0, 2, false);
  event({});
  begin = events.size();
  before = now_;
  effects.clear();
  for (const Step& step : steps)
    if (effects.size() < most_effects) play(step);
}

void Play::event(const Event& e) {
  events.push_back(e);
  log.add(e);
}

// Of what an event sets, only what changes something is there at all.
void Play::effect(Effect::Kind kind, int file, const std::map<std::string, int>& sets, Effect what) {
  what.kind = kind;
  what.event = events.size() - 1;
  what.file = file;
  for (const auto& [key, number] : sets)
    if (kind == Effect::Kind::Names || value(now_, key) != number) what.sets[key] = number;
  for (const auto& [key, number] : what.sets) now_[key] = number;
  if (!what.sets.empty()) effects.push_back(what);
}

void Play::play(const Step& step) {
  const int from = step.first % kSlots, size = value(now_, size_key(step.file));
  switch (step.what) {
    case Do::Write:
      return fill(EventKind::Write, step.file, from, std::min(kSlots, from + 1 + step.second % 3), false);
    case Do::Store:
      return from < size ? fill(EventKind::Store, step.file, from, from + 1, false) : void();
    case Do::StoreTogether:
      if (from >= size || events.back().kind != EventKind::Store ||
          events.back().offset == static_cast<Bytes>(from) * slot)
        return;
      return fill(EventKind::Store, step.file, from, from + 1, true);
    case Do::Truncate:
      return resize(step.file, step.first % (kSlots + 1));
    case Do::PunchHole:
      return from < size ? allocate(step.file, from, from + 2, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) : void();
    case Do::ZeroRange:
      return allocate(step.file, from, std::min(kSlots, from + 2), FALLOC_FL_ZERO_RANGE);
    case Do::Reserve:
      return allocate(step.file, from, from + 1, 0);
    case Do::ReserveBehindTheEnd:
      return allocate(step.file, from, from + 2, FALLOC_FL_KEEP_SIZE);
    case Do::Collapse:
      return move(step.file, from, FALLOC_FL_COLLAPSE_RANGE);
    case Do::Insert:
      return move(step.file, from, FALLOC_FL_INSERT_RANGE);
    case Do::Create:
    case Do::Link:
    case Do::Unlink:
    case Do::Rename:
      return name(step);
    case Do::Tell: {
      Event e{.kind = EventKind::Output};
      e.text = "x";
      return event(e);
    }
    default:
      return sync(step);
  }
}

void Play::fill(EventKind kind, int file, int from, int to, bool is_together) {
  Event e = of(file, kind);
  const int number = static_cast<int>(events.size()) + 1, size = value(now_, size_key(file));
  bytes_.emplace_back(static_cast<Bytes>(to - from) * slot, static_cast<std::byte>(number));
  e.offset = static_cast<Bytes>(from) * slot;
  e.length = bytes_.back().size();
  e.pieces.push_back({e.offset, bytes_.back(), 0});
  if (to > size) e.size = static_cast<Bytes>(to) * slot;
  e.together = is_together;
  event(e);
  const std::set<int> had = allocated_[file];
  for (int s = from; s < to; ++s) {
    Effect what;
    what.allocates = !had.contains(page_of_slot(s));
    what.delayed = what.allocates && !reserved_[file].contains(page_of_slot(s));
    allocated_[file].insert(page_of_slot(s));
    effect(Effect::Kind::Slot, file, {{slot_key(file, s), number}}, what);
  }
  if (to > size) effect(Effect::Kind::Growth, file, {{size_key(file), to}});
}

void Play::resize(int file, int size) {
  Event e = of(file, EventKind::Truncate);
  e.size = static_cast<Bytes>(size) * slot;
  const int old = value(now_, size_key(file));
  event(e);
  std::map<std::string, int> sets = {{size_key(file), size}};
  for (int s = size; s < old; ++s) sets[slot_key(file, s)] = 0;
  effect(Effect::Kind::Resize, file, sets);
  const int pages = static_cast<int>(page_of(page_up(e.size)));
  for (std::set<int>* some : {&allocated_[file], &reserved_[file]}) some->erase(some->lower_bound(pages), some->end());
}

// Pages all of whose slots are in the range or behind the end.
std::set<int> Play::whole_pages(int file, int from, int to) const {
  const int size = value(now_, size_key(file));
  std::set<int> whole, rest;
  for (int s = 0; s < 2 * kSlots; ++s) (s >= from && s < to) || s >= size ? whole.insert(page_of_slot(s)) : rest.insert(page_of_slot(s));
  for (const int page : rest) whole.erase(page);
  std::erase_if(whole, [&](int page) { return page < page_of_slot(from) || page > page_of_slot(to - 1); });
  return whole;
}

// fallocate(2): a hole, zeros, or blocks for what comes later, which may lie behind the end.
void Play::allocate(int file, int from, int to, std::uint32_t mode) {
  Event e = of(file, EventKind::Allocate);
  e.mode = mode;
  e.offset = static_cast<Bytes>(from) * slot;
  e.length = static_cast<Bytes>(to - from) * slot;
  const int size = value(now_, size_key(file));
  const bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0, zeros = (mode & FALLOC_FL_ZERO_RANGE) != 0;
  std::map<std::string, int> sets;
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && to > size) {
    e.size = static_cast<Bytes>(to) * slot;
    sets[size_key(file)] = to;
  }
  for (int s = from; (punches || zeros) && s < std::min(to, size); ++s) {
    e.pieces.push_back({static_cast<Bytes>(s) * slot, {}, slot});
    sets[slot_key(file, s)] = 0;
  }
  event(e);
  effect(Effect::Kind::Resize, file, sets);
  if (punches || zeros)
    for (const int page : whole_pages(file, from, to)) allocated_[file].erase(page), reserved_[file].erase(page);
  for (int s = from; !punches && s < to; ++s) reserved_[file].insert(page_of_slot(s));
}

// A page is taken out, or put in, and what follows moves.
void Play::move(int file, int from, std::uint32_t mode) {
  const int page = page_of_slot(from), step = static_cast<int>(kPageSize / slot), size = value(now_, size_key(file));
  const bool up = mode == FALLOC_FL_INSERT_RANGE;
  from = page * step;
  if (up ? from >= size || size + step > kSlots : from + step >= size) return;
  Event e = of(file, EventKind::Allocate);
  e.mode = mode;
  e.offset = static_cast<Bytes>(from) * slot;
  e.length = kPageSize;
  const int after = up ? size + step : size - step;
  e.size = static_cast<Bytes>(after) * slot;
  std::map<std::string, int> sets = {{size_key(file), after}};
  for (int s = from; s < std::max(size, after); ++s) {
    const int source = up ? s - step : s + step;
    const int number = source < from || source >= size ? 0 : value(now_, slot_key(file, source));
    sets[slot_key(file, s)] = number;
    if (s >= after) continue;
    bytes_.emplace_back(slot, static_cast<std::byte>(number));
    e.pieces.push_back({static_cast<Bytes>(s) * slot, bytes_.back(), 0});
  }
  event(e);
  effect(Effect::Kind::Resize, file, sets);
  for (std::set<int>* some : {&allocated_[file], &reserved_[file]}) {
    std::set<int> moved;
    for (const int p : *some)
      if (up || p != page) moved.insert(p < page ? p : up ? p + 1 : p - 1);
    *some = moved;
  }
}

void Play::name(const Step& step) {
  const std::string &from = kNames[static_cast<std::size_t>(step.first % kFiles)],
                    &to = kNames[static_cast<std::size_t>(step.second % kFiles)];
  const int subject = step.what == Do::Create ? step.file : value(now_, from, -1), target = value(now_, to, -1);
  const bool has_name =
      std::ranges::any_of(kNames, [&](const std::string& n) { return value(now_, n, -1) == subject; });
  Event e = of(subject, EventKind::Create);
  e.directory = kRoot;
  e.name = to;
  Effect what;
  std::map<std::string, int> sets = {{to, subject}};
  if (subject < 0 || (step.what == Do::Create && (has_name || target >= 0))) return;
  switch (step.what) {
    case Do::Create:
      what.creates = true;
      break;
    case Do::Link:
      if (target >= 0) return;
      e.kind = EventKind::Link;
      break;
    case Do::Unlink:
      e.kind = EventKind::Unlink;
      e.name = from;
      sets = {{from, -1}};
      break;
    default:
      if (target == subject || from == to) return;
      e.kind = EventKind::Rename;
      e.name = from;
      e.to_name = to;
      e.to_directory = kRoot;
      sets = {{from, -1}, {to, subject}};
      what.replaces = target >= 0;
  }
  event(e);
  effect(Effect::Kind::Names, subject, sets, what);
}

void Play::sync(const Step& step) {
  Event e = of(step.file, EventKind::Sync);
  e.covers = events.size();
  switch (step.what) {
    case Do::Fdatasync:
      e.kind = EventKind::SyncData;
      break;
    case Do::Msync:
      e.kind = EventKind::SyncRange;
      e.offset = static_cast<Bytes>(step.first % kSlots) * slot;
      e.length = slot;
      break;
    case Do::SyncDirectory:
      e.file = kRoot;
      break;
    case Do::SyncAll:
      e.kind = EventKind::SyncAll;
      break;
    case Do::SlowSync:
      e.covers =
          std::max<Position>(begin, e.covers - std::min<Position>(e.covers, static_cast<Position>(1 + step.second)));
      break;
    default:
      break;
  }
  event(e);
}

// ---- the states

States states(const Play& play, Model model) {
  States found;
  for (std::size_t cut = play.begin; cut <= play.events.size(); ++cut) {
    if (model == Model::Strict && splits_together(play, cut)) continue;
    std::size_t open = 0;
    while (open < play.effects.size() && play.effects[open].event < cut) ++open;
    Set there(open);
    const Judge judge(play, cut, there, model);
    for (std::size_t set = 0; set < std::size_t{1} << open; ++set) {
      Disk disk = play.before;
      for (std::size_t i = 0; i < open; ++i) there[i] = (set >> i & 1) != 0;
      if (!judge.allows()) continue;
      for (std::size_t i = 0; i < open; ++i)
        if (there[i])
          for (const auto& [key, number] : play.effects[i].sets) disk[key] = number;
      found[cut].insert(words(disk, told_before(play.events, cut)));
    }
  }
  return found;
}

std::set<std::string> together(const States& states) {
  std::set<std::string> all;
  for (const auto& [cut, some] : states) all.insert(some.begin(), some.end());
  return all;
}

std::string words(const History& history, const Image& image, Position cut) {
  Disk disk;
  std::map<const History::File*, int> numbers;
  for (const Image::File& file : image.files) {
    const int number = numbers.try_emplace(file.what, static_cast<int>(numbers.size())).first->second;
    disk[file.path] = number;
    disk[size_key(number)] = static_cast<int>(file.size / history.grain());
    for (const auto& [grain, unit] : file.what->data)
      if (const std::byte* const bytes = image.values[unit].bytes)
        disk[slot_key(number, static_cast<int>(grain))] = static_cast<int>(*bytes);
  }
  return words(disk, told_before(history.log().events(), cut));
}

}  // namespace pagefold::crash::reference
