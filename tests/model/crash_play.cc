#include "crash_play.h"

#include <linux/falloc.h>

#include <algorithm>

namespace pagefold::crash::reference {

std::string slot_key(int file, int s) { return std::to_string(file) + "." + std::to_string(s); }
std::string size_key(int file) { return std::to_string(file) + ".size"; }
int value(const Disk& disk, const std::string& key, int otherwise) {
  const auto it = disk.find(key);
  return it == disk.end() ? otherwise : it->second;
}

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

}  // namespace pagefold::crash::reference
