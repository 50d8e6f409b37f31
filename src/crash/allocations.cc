#include "crash/allocations.h"

#include <algorithm>
#include <set>

#include "crash/fallocate.h"

namespace pagefold::crash {
namespace {

using Set = std::set<PageIndex>;

void erase(Set& pages, PageIndex first, PageIndex last) { pages.erase(pages.lower_bound(first), pages.lower_bound(last)); }

void insert(Set& pages, PageIndex first, PageIndex last) {
  for (PageIndex page = first; page < last; ++page) pages.insert(page);
}

// [first, last) is taken out, and what follows comes down; or (up) as many are put in at `first`, and it goes up.
void move(Set& pages, PageIndex first, PageIndex last, bool up) {
  Set moved(pages.begin(), pages.lower_bound(first));
  for (auto it = pages.lower_bound(up ? first : last); it != pages.end(); ++it)
    moved.insert(up ? *it + (last - first) : *it - (last - first));
  pages = std::move(moved);
}

// The pages of one file: those that were written, or were there, and those whose blocks are reserved.
struct Blocks {
  Set has, reserved;

  void cut(Bytes size) {
    for (Set* const some : {&has, &reserved}) erase(*some, page_of(page_up(size)), ~PageIndex{0});
  }

  // size: the file's, afterwards.
  void follow(const Event& event, Bytes size) {
    const Bytes end = event.offset + event.length;
    const PageIndex first = page_of(event.offset), last = page_of(page_up(end));  // touched
    const PageIndex from = page_of(page_up(event.offset));                        // as a whole; what is behind the end counts
    const PageIndex to = end >= size ? last : page_of(end);
    switch (fallocate_of(event.mode)) {
      case Fallocate::Reserve: return insert(reserved, first, last);
      case Fallocate::Punch: return erase(has, from, to), erase(reserved, from, to);
      case Fallocate::Zero: return erase(has, from, to), insert(reserved, first, last);
      case Fallocate::Collapse:
      case Fallocate::Insert:
        for (Set* const some : {&has, &reserved}) move(*some, first, page_of(end), fallocate_of(event.mode) == Fallocate::Insert);
    }
  }
};

class Follower {
 public:
  explicit Follower(const History& history) : history_(history) {
    found_.allocates.resize(history.atoms().size());
    found_.delayed.resize(history.atoms().size());
    for (const auto& [number, file] : history.files()) {
      size_[number] = history.initial()[file.size].number;
      insert(blocks_[number].has, 0, page_of(page_up(size_[number])));
    }
  }

  Allocations follow() {
    AtomNumber a = 0;
    const auto& events = history_.log().events();
    for (Position p = history_.log().begin(); p < events.size(); ++p) {
      for (; a < history_.atoms().size() && history_.atoms()[a].event == p; ++a) follow_atom(a);
      if (events[p].kind == EventKind::Allocate) blocks_[events[p].file].follow(events[p], size_[events[p].file]);
      if (events[p].kind == EventKind::Truncate) blocks_[events[p].file].cut(size_[events[p].file]);
    }
    return std::move(found_);
  }

 private:
  void follow_atom(AtomNumber a) {
    const Atom& atom = history_.atoms()[a];
    Blocks& blocks = blocks_[atom.file];
    for (const Change& change : atom.changes) {
      const Unit& unit = history_.units()[change.unit];
      if (unit.kind == UnitKind::Size) size_[atom.file] = change.value.number;
      if (unit.kind != UnitKind::Data || atom.kind != Atom::Kind::Data) continue;
      const PageIndex page = page_of(unit.index * history_.grain());
      found_.allocates[a] = blocks.has.insert(page).second || continues(a);
      found_.delayed[a] = found_.allocates[a] && !blocks.reserved.contains(page);
    }
  }

  // The sectors of one page that one event has written belong together.
  [[nodiscard]] bool continues(AtomNumber a) const {
    if (a == 0 || !found_.allocates[a - 1] || history_.atoms()[a - 1].event != history_.atoms()[a].event) return false;
    const auto page = [this](AtomNumber n) {
      return page_of(history_.units()[history_.atoms()[n].changes.front().unit].index * history_.grain());
    };
    return page(a - 1) == page(a);
  }

  const History& history_;
  Allocations found_;
  std::map<FileNumber, Blocks> blocks_;
  std::map<FileNumber, Bytes> size_;
};

}  // namespace

Allocations allocations_of(const History& history) { return Follower(history).follow(); }

}  // namespace pagefold::crash
