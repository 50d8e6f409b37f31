#include "crash_reference.h"

#include <linux/falloc.h>

#include <algorithm>

namespace pagefold::crash::reference {
namespace {

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
