// Logs made by hand, for tests of the crash room: files "a", "b" ... in one directory, pages filled with one byte each.
#pragma once

#include <linux/falloc.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "crash/cut.h"
#include "crash/image.h"

namespace pagefold::crash {

class Scene {
 public:
  FileNumber create(const std::string& name) {
    Event e{.kind = EventKind::Create, .file = next_++, .directory = kRoot};
    e.name = name;
    log_.add(e);
    return e.file;
  }
  Position link(FileNumber file, const std::string& name) {
    Event e{.kind = EventKind::Link, .file = file, .directory = kRoot};
    e.name = name;
    return log_.add(e);
  }
  Position begin() { return log_.add({}); }
  // Fills pages [first, first + count) of the file; it grows as needed.
  Position write(FileNumber file, PageIndex first, char fill, PageIndex count = 1) {
    Bytes& size = sizes_[file];
    Event e{.kind = EventKind::Write, .file = file, .offset = bytes_of(first), .length = bytes_of(count)};
    bytes_.emplace_back(bytes_of(count), static_cast<std::byte>(fill));
    e.pieces.push_back({e.offset, bytes_.back(), 0});
    if (e.offset + e.length > size) e.size = size = e.offset + e.length;
    return log_.add(e);
  }
  Position store(FileNumber file, PageIndex page, char fill, bool together = false) {
    Event e{.kind = EventKind::Store, .file = file, .offset = bytes_of(page), .length = kPageSize};
    bytes_.emplace_back(kPageSize, static_cast<std::byte>(fill));
    e.pieces.push_back({e.offset, bytes_.back(), 0});
    e.together = together;
    return log_.add(e);
  }
  Position truncate(FileNumber file, Bytes size) { return log_.add({.kind = EventKind::Truncate, .file = file, .size = sizes_[file] = size}); }
  // fallocate(2) of pages [first, first + count): room, which are holes; or another mode that moves nothing.
  Position allocate(FileNumber file, PageIndex first, PageIndex count, std::uint32_t mode = 0) {
    Event e{.kind = EventKind::Allocate, .file = file, .offset = bytes_of(first), .length = bytes_of(count), .mode = mode};
    if (mode != 0) e.pieces.push_back({e.offset, {}, e.length});
    if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && e.offset + e.length > sizes_[file]) e.size = sizes_[file] = e.offset + e.length;
    return log_.add(e);
  }
  Position rename(FileNumber file, const std::string& from, const std::string& to) {
    Event e{.kind = EventKind::Rename, .file = file, .directory = kRoot, .to_directory = kRoot};
    e.name = from;
    e.to_name = to;
    return log_.add(e);
  }
  // covers: the events before this one had happened when the sync began; by default all so far.
  Position sync(FileNumber file, EventKind kind = EventKind::Sync, Position covers = kSoFar) {
    Event e{.kind = kind, .file = file};
    e.covers = covers == kSoFar ? events_so_far() : covers;
    return log_.add(e);
  }
  Position sync_page(FileNumber file, PageIndex page) {
    Event e{.kind = EventKind::SyncRange, .file = file, .offset = bytes_of(page), .length = kPageSize};
    e.covers = events_so_far();
    return log_.add(e);
  }
  Position tell(const std::string& text) {
    Event e{.kind = EventKind::Output};
    e.text = text;
    return log_.add(e);
  }
  [[nodiscard]] Log log() const { return log_.log(); }
  [[nodiscard]] History history(Bytes grain = kPageSize) const { return History(log(), grain); }

 private:
  static constexpr Position kSoFar = ~Position{0};

  [[nodiscard]] Position events_so_far() const { return log_.log().events().size(); }

  LogBuilder log_;
  FileNumber next_ = kRoot + 1;
  std::map<FileNumber, Bytes> sizes_;
  std::deque<std::vector<std::byte>> bytes_;
};

// The file "a" of two pages, stored to since it was written, in this order; together: nobody knows in which.
constexpr FileNumber kFirstFile = kRoot + 1;
inline Scene two_pages(bool together = false) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x', 2);
  scene.begin();
  scene.store(a, 0, 'y');
  scene.store(a, 1, 'y', together);
  return scene;
}

// "a=xx b=" : each file with one letter a page, '.' for zeros.
inline std::string words(const History& history, const Image& image) {
  std::string text;
  for (const Image::File& file : image.files) {
    text += (text.empty() ? "" : " ") + file.path + "=";
    for (Bytes at = 0; at < file.size; at += kPageSize) {
      const auto unit = file.what->data.find(at / history.grain());
      const std::byte* const bytes = unit == file.what->data.end() ? nullptr : image.values[unit->second].bytes;
      text += bytes == nullptr ? '.' : static_cast<char>(*bytes);
    }
  }
  return text;
}

// All states of a cut at the end of the log.
inline std::vector<std::string> states_at_the_end(const History& history, Model model) {
  const Rules rules = rules_of(history, model);
  const Cut cut(history, rules, history.log().events().size());
  std::set<std::string> states;
  cut.for_each([&](const Chosen& chosen) {
    states.insert(words(history, image_of(history, cut.values(chosen))));
    return true;
  });
  return {states.begin(), states.end()};
}

}  // namespace pagefold::crash
