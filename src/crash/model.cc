#include "crash/model.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "crash/allocations.h"
#include "crash/fallocate.h"

namespace pagefold::crash {
namespace {

struct Named {
  std::string_view name;
  Model model;
};
constexpr std::array kModels = {Named{"strict", Model::Strict}, Named{"posix", Model::Posix},
                                Named{"ext4-ordered", Model::Ext4Ordered}};

bool overlaps(const Unit& unit, const Event& range, Bytes grain) {
  const Bytes start = unit.index * grain;
  return start < range.offset + range.length && range.offset < start + grain;
}

// POSIX: fsync and fdatasync complete the file's data and what is needed to find it, its size; msync does so for a
// range
// ("synchronized I/O data integrity completion"). fsync of a directory is Linux's way to complete its entries.
bool promises(const History& history, const Event& sync, const Atom& atom) {
  if (sync.kind == EventKind::SyncAll) return true;
  if (atom.kind == Atom::Kind::Names) {
    return sync.kind != EventKind::SyncRange && std::ranges::any_of(atom.changes, [&](const Change& c) {
             return history.units()[c.unit].file == sync.file;
           });
  }
  if (atom.file != sync.file) return false;
  if (sync.kind != EventKind::SyncRange || atom.kind != Atom::Kind::Data) return true;
  return overlaps(history.units()[atom.changes.front().unit], sync, history.grain());
}

class Ruler {
 public:
  Ruler(const History& history, Model model) : history_(history), model_(model) {
    rules_.certain_from.assign(history.atoms().size(), kNever);
    rules_.needs.resize(history.atoms().size());
  }

  Rules rules() {
    switch (model_) {
      case Model::Strict:
        in_program_order();
        break;
      case Model::Posix:
        syncs_promise();
        one_object_is_written_in_order();
        moved_data_is_written_first();
        break;
      case Model::Ext4Ordered:
        blocks_ = allocations_of(history_);
        syncs_promise();
        one_object_is_written_in_order();
        moved_data_is_written_first();
        journal_is_in_order();
        new_blocks_come_by_the_journal();
        data_before_size();
        renames_bring_data();
        break;
    }
    certain_needs_are_certain();
    for (auto& needs : rules_.needs) {
      std::ranges::sort(needs);
      needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
    }
    choose_cuts();
    return std::move(rules_);
  }

 private:
  [[nodiscard]] const std::vector<Atom>& atoms() const { return history_.atoms(); }
  [[nodiscard]] const std::vector<Event>& events() const { return history_.log().events(); }
  static bool in_journal(const Atom& atom) { return atom.kind == Atom::Kind::Names || atom.kind == Atom::Kind::Resize; }
  void certain(AtomNumber a, Position from) { rules_.certain_from[a] = std::min(rules_.certain_from[a], from); }
  void need(AtomNumber a, AtomNumber earlier) {
    if (earlier < a) rules_.needs[a].push_back(earlier);
  }

  // An event is complete when the next one begins. Stores that were seen together are taken to have happened at once.
  void in_program_order() {
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      Position last = atoms()[a].event;
      while (is_together(last + 1)) ++last;
      const bool alone = last == atoms()[a].event && !is_together(last);
      certain(a, alone ? last + 2 : last + 1);
      if (a > 0) need(a, a - 1);
    }
  }
  [[nodiscard]] bool is_together(Position p) const { return p < events().size() && events()[p].together; }

  // fsync and fdatasync under ext4 commit the journal up to the transaction that the file was last part of
  // (ext4_fsync_journal): with it, everything that entered the journal earlier. To fdatasync and msync, changes of
  // times alone do not count.
  [[nodiscard]] AtomNumber committed_by(const Event& sync) const {
    AtomNumber end = 0;
    for (AtomNumber a = 0; a < atoms().size() && atoms()[a].event < sync.covers; ++a) {
      const Atom& atom = atoms()[a];
      const bool only_times = atom.kind == Atom::Kind::Data ||
                              (atom.kind == Atom::Kind::Names && events()[atom.event].kind != EventKind::Create);
      const bool of_file = atom.file == sync.file || (atom.kind == Atom::Kind::Names && promises(history_, sync, atom));
      if (of_file && (sync.kind == EventKind::Sync || !only_times)) end = a + 1;
    }
    return end;
  }

  void syncs_promise() {
    for (Position p = history_.log().begin(); p < events().size(); ++p) {
      const Event& sync = events()[p];
      if (!synchronises(sync.kind)) continue;
      const AtomNumber committed = model_ == Model::Ext4Ordered ? committed_by(sync) : 0;
      for (AtomNumber a = 0; a < atoms().size() && atoms()[a].event < sync.covers; ++a)
        if (promises(history_, sync, atoms()[a]) || (a < committed && in_journal(atoms()[a]))) certain(a, p + 1);
    }
  }

  // A grain of the page cache contains the earlier stores to it; an inode and a directory's entry are written as they
  // are, too.
  void one_object_is_written_in_order() {
    std::vector<AtomNumber> last(history_.units().size());
    std::vector<bool> seen(history_.units().size());
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      for (const Change& change : atoms()[a].changes) {
        const bool data = history_.units()[change.unit].kind == UnitKind::Data;
        const bool tied = !data || (atoms()[a].kind == Atom::Kind::Data && seen[change.unit] &&
                                    atoms()[last[change.unit]].kind == Atom::Kind::Data);
        if (seen[change.unit] && tied) need(a, last[change.unit]);
        last[change.unit] = a;
        seen[change.unit] = true;
      }
    }
  }

  void journal_is_in_order() {
    std::optional<AtomNumber> before;
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      if (!in_journal(atoms()[a])) continue;
      if (before) need(a, *before);
      before = a;
    }
  }

  // Collapsing and inserting ranges begins by writing out all that is going to move (fs/ext4/extents.c, ext4_collapse_range();
  // fs/xfs/xfs_bmap_util.c, xfs_prepare_shift()).
  void moved_data_is_written_first() {
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      const Event& event = events()[atoms()[a].event];
      if (event.kind != EventKind::Allocate || !moves_the_rest(event.mode)) continue;
      for (AtomNumber b = 0; b < a; ++b)
        if (atoms()[b].file == atoms()[a].file && atoms()[b].kind == Atom::Kind::Data && reaches(atoms()[b], event.offset)) need(a, b);
    }
  }
  [[nodiscard]] bool reaches(const Atom& data, Bytes from) const {
    return (history_.units()[data.changes.front().unit].index + 1) * history_.grain() > from;
  }

  // A block becomes part of its file by the journal, when the data is written back; so does a new size. By then the journal has all
  // that came before the write (fs/ext4/inode.c, mpage_map_and_submit_extent(), ext4_convert_unwritten_extents()). Where a range was
  // taken out or put in, the data that lies behind it now is found by way of the journal, too.
  void new_blocks_come_by_the_journal() {
    std::optional<AtomNumber> before;
    std::map<FileNumber, Bytes> moved_from;
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      const Atom& atom = atoms()[a];
      const Event& event = events()[atom.event];
      if (event.kind == EventKind::Allocate && moves_the_rest(event.mode)) {
        const auto [it, first] = moved_from.try_emplace(atom.file, event.offset);
        if (!first) it->second = std::min(it->second, event.offset);
      }
      const auto moved = moved_from.find(atom.file);
      const bool found_by_it = atom.kind == Atom::Kind::Growth || blocks_.allocates[a] ||
                               (atom.kind == Atom::Kind::Data && moved != moved_from.end() && reaches(atom, moved->second));
      if (before && found_by_it) need(a, *before);
      if (in_journal(atom)) before = a;
    }
  }

  // data=ordered: blocks that are allocated are written before the transaction that makes them part of the file. With
  // delayed allocation, they are allocated when they are written back; the size on the disk follows (i_disksize).
  void data_before_size() {
    std::map<FileNumber, std::vector<AtomNumber>> extending;
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      if (atoms()[a].kind != Atom::Kind::Growth) continue;
      std::vector<AtomNumber>& data = extending[atoms()[a].file];
      for (AtomNumber b = a; b-- > 0 && atoms()[b].event == atoms()[a].event;)
        if (blocks_.allocates[b]) data.push_back(b);
      for (const AtomNumber b : data) need(a, b);
    }
  }

  // auto_da_alloc writes out what is delayed (fs/ext4/namei.c, ext4_alloc_da_blocks()).
  void renames_bring_data() {
    std::map<UnitNumber, std::uint64_t> entries;
    for (UnitNumber u = 0; u < history_.units().size(); ++u)
      if (history_.units()[u].kind == UnitKind::Entry) entries[u] = history_.initial()[u].number;
    for (AtomNumber a = 0; a < atoms().size(); ++a) {
      const Atom& atom = atoms()[a];
      if (atom.kind != Atom::Kind::Names) continue;
      const bool replaces =
          events()[atom.event].kind == EventKind::Rename && entries[atom.changes.back().unit] != kNoFile;
      for (AtomNumber b = 0; replaces && b < a; ++b)
        if (atoms()[b].file == atom.file && (blocks_.delayed[b] || atoms()[b].kind == Atom::Kind::Growth)) need(a, b);
      for (const Change& change : atom.changes) entries[change.unit] = change.value.number;
    }
  }

  void certain_needs_are_certain() {
    for (AtomNumber a = static_cast<AtomNumber>(atoms().size()); a-- > 0;)
      for (const AtomNumber b : rules_.needs[a]) certain(b, rules_.certain_from[a]);
  }

  // Between two cuts nothing becomes certain and nothing is told: the later one leaves all that the earlier can.
  void choose_cuts() {
    std::set<Position> cuts = {events().size()};
    const std::set<Position> changes(rules_.certain_from.begin(), rules_.certain_from.end());
    for (const Position p : changes)
      if (p != kNever && p > history_.log().begin()) cuts.insert(std::min(p - 1, events().size()));
    for (Position p = history_.log().begin(); p < events().size(); ++p)
      if (events()[p].kind == EventKind::Output) cuts.insert(p);
    if (model_ == Model::Strict) {  // no cut splits stores that were seen together; the one before them counts
      std::set<Position> whole;
      for (Position p : cuts) {
        while (is_together(p)) --p;
        whole.insert(p);
      }
      cuts = std::move(whole);
    }
    rules_.cuts.assign(cuts.begin(), cuts.end());
  }

  const History& history_;
  Model model_;
  Rules rules_;
  Allocations blocks_;
};

}  // namespace

std::optional<Model> model_named(std::string_view name) {
  const auto it = std::ranges::find(kModels, name, &Named::name);
  return it == kModels.end() ? std::nullopt : std::optional(it->model);
}

std::string_view name_of(Model model) { return std::ranges::find(kModels, model, &Named::model)->name; }

Rules rules_of(const History& history, Model model) { return Ruler(history, model).rules(); }

}  // namespace pagefold::crash
