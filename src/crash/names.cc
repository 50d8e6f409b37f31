#include "crash/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace pagefold::crash {
namespace {

using Entry = std::pair<FileNumber, std::string>;  // in a directory

class Names {
 public:
  EventNames at(const Event& event) {
    EventNames names{"", path_of({event.directory, event.name}), path_of({event.to_directory, event.to_name})};
    if (event.kind == EventKind::Unlink || event.kind == EventKind::Rename) remove({event.directory, event.name}, event.file);
    if (event.kind == EventKind::Create || event.kind == EventKind::Link) add({event.directory, event.name}, event.file);
    if (event.kind == EventKind::Rename) add({event.to_directory, event.to_name}, event.file);
    names.file = path_of(event.file);
    return names;
  }

 private:
  void add(const Entry& entry, FileNumber file) {
    entries_[entry] = file;
    last_[file] = entry;
  }
  void remove(const Entry& entry, FileNumber file) {
    entries_.erase(entry);
    const auto other = std::ranges::find(entries_, file, &std::pair<const Entry, FileNumber>::second);
    if (last_[file] == entry && other != entries_.end()) last_[file] = other->first;
  }
  [[nodiscard]] std::string path_of(FileNumber file) const {
    if (file == kRoot) return "the directory";
    const auto entry = last_.find(file);
    return entry == last_.end() ? fmt::format("file {}", file) : path_of(entry->second);
  }
  [[nodiscard]] std::string path_of(const Entry& entry) const {
    return entry.first == kRoot || entry.first == kNoFile ? entry.second : path_of(entry.first) + "/" + entry.second;
  }

  std::map<Entry, FileNumber> entries_;
  std::map<FileNumber, Entry> last_;
};

}  // namespace

std::vector<EventNames> names_of(const Log& log) {
  std::vector<EventNames> all;
  Names names;
  for (const Event& event : log.events()) all.push_back(names.at(event));
  return all;
}

}  // namespace pagefold::crash
