#include "crash/history.h"

#include <algorithm>
#include <cstring>

#include "crash/hash.h"

namespace pagefold::crash {

History::History(Log log, Bytes grain) : log_(std::move(log)), grain_(grain) {
  file(kRoot).type = FileType::Directory;
  for (Position p = 0; p < log_.events().size(); ++p) play(p);
}

void History::play(Position position) {
  const Event& event = log_.events()[position];
  switch (event.kind) {
    case EventKind::Create:
    case EventKind::Link:
    case EventKind::Unlink:
    case EventKind::Rename:
      return play_names(position, event);
    case EventKind::Store:
    case EventKind::Write:
    case EventKind::Truncate:
    case EventKind::Allocate:
      return play_data(position, event);
    default:
      return;
  }
}

void History::play_names(Position position, const Event& event) {
  std::vector<Change> changes;
  File& subject = file(event.file);
  if (event.kind == EventKind::Create) {
    subject.type = event.type;
    subject.mode = event.mode;
    subject.target = event.text;
  }
  const bool goes = event.kind == EventKind::Unlink || event.kind == EventKind::Rename;
  changes.push_back({entry_unit(event.directory, event.name), {goes ? kNoFile : event.file, nullptr}});
  if (event.kind == EventKind::Rename)
    changes.push_back({entry_unit(event.to_directory, event.to_name), {event.file, nullptr}});
  happen(position, Atom::Kind::Names, event.file, std::move(changes));
}

void History::play_data(Position position, const Event& event) {
  File& subject = file(event.file);
  const Bytes before = now_[subject.size].number;
  const Bytes after = event.size == Event::kSameSize ? before : event.size;
  std::vector<Change> changes = overlay(event.file, event);
  if (after < before) shrink(event.file, after, changes);
  const Change size{subject.size, {after, nullptr}};
  if (event.kind == EventKind::Truncate || event.kind == EventKind::Allocate) {
    if (after != before) changes.push_back(size);
    return happen(position, Atom::Kind::Resize, event.file, std::move(changes));
  }
  for (Change& change : changes) happen(position, Atom::Kind::Data, event.file, {change});
  if (after != before) happen(position, Atom::Kind::Growth, event.file, {size});
}

// What lies behind the new end is gone: should the file grow again, zeros are there.
void History::shrink(FileNumber number, Bytes size, std::vector<Change>& changes) {
  const File& subject = file(number);
  for (auto it = subject.data.lower_bound(size / grain_); it != subject.data.end(); ++it) {
    const std::byte* const old = now_[it->second].bytes;
    if (old == nullptr) continue;
    const Bytes keep = size > it->first * grain_ ? size - it->first * grain_ : 0;
    std::vector<std::byte> image(grain_);
    std::memcpy(image.data(), old, keep);
    changes.push_back({it->second, intern(image.data())});
  }
}

std::vector<Change> History::overlay(FileNumber number, const Event& event) {
  std::map<std::uint64_t, std::vector<std::byte>> images;
  std::vector<Change> changes;
  for (const Piece& piece : event.pieces) {
    const Bytes length = piece.bytes.empty() ? piece.zeros : piece.bytes.size();
    for (Bytes at = piece.offset, end = piece.offset + length; at < end;) {
      const std::uint64_t index = at / grain_;
      const Bytes inside = at % grain_, n = std::min(end - at, grain_ - inside);
      std::vector<std::byte>& image = images[index];
      if (image.empty()) {
        image.resize(grain_);
        if (const std::byte* const old = now_[data_unit(number, index)].bytes) std::memcpy(image.data(), old, grain_);
      }
      if (piece.bytes.empty())
        std::memset(image.data() + inside, 0, n);
      else
        std::memcpy(image.data() + inside, piece.bytes.data() + (at - piece.offset), n);
      at += n;
    }
  }
  for (const auto& [index, image] : images) {
    const UnitNumber unit = data_unit(number, index);
    const Value value = intern(image.data());
    const Value old = now_[unit];
    const bool same = value.number == old.number && (value.bytes == nullptr) == (old.bytes == nullptr);
    if (!same) changes.push_back({unit, value});
  }
  return changes;
}

// Zeros are no bytes at all, so that a hole and a page of zeros are the same.
Value History::intern(const std::byte* bytes) {
  const bool zeros = std::all_of(bytes, bytes + grain_, [](std::byte b) { return b == std::byte{0}; });
  if (zeros) return {};
  const std::uint64_t hash = hash_of({bytes, grain_});
  arena_.emplace_back(bytes, bytes + grain_);
  return {hash, arena_.back().data()};
}

History::File& History::file(FileNumber number) {
  const auto [it, fresh] = files_.try_emplace(number);
  if (fresh) it->second.size = add_unit({UnitKind::Size, number, 0, {}});
  return it->second;
}

UnitNumber History::data_unit(FileNumber number, std::uint64_t grain) {
  File& subject = file(number);
  const auto it = subject.data.find(grain);
  if (it != subject.data.end()) return it->second;
  return subject.data[grain] = add_unit({UnitKind::Data, number, grain, {}});
}

UnitNumber History::entry_unit(FileNumber directory, const std::string& name) {
  File& subject = file(directory);
  subject.type = FileType::Directory;
  const auto it = subject.entries.find(name);
  if (it != subject.entries.end()) return it->second;
  return subject.entries[name] = add_unit({UnitKind::Entry, directory, 0, name});
}

UnitNumber History::add_unit(Unit unit) {
  units_.push_back(std::move(unit));
  initial_.emplace_back();
  now_.emplace_back();
  return static_cast<UnitNumber>(units_.size() - 1);
}

void History::happen(Position position, Atom::Kind kind, FileNumber number, std::vector<Change> changes) {
  if (changes.empty()) return;
  for (const Change& change : changes) {
    now_[change.unit] = change.value;
    if (position < log_.begin()) initial_[change.unit] = change.value;
  }
  if (position >= log_.begin()) atoms_.push_back({position, kind, number, std::move(changes)});
}

}  // namespace pagefold::crash
