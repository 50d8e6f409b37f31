#include "crash/image.h"

#include <algorithm>
#include <map>
#include <set>

#include "crash/hash.h"

namespace pagefold::crash {
namespace {

std::uint64_t hash_file(const History& history, const Image::File& file, const std::vector<Value>& values) {
  RunningHash hash;
  hash.add(file.size);
  hash.add(static_cast<std::uint64_t>(file.what->type));
  if (file.what->type == FileType::Link) hash.add(hash_of(std::as_bytes(std::span(file.what->target))));
  for (const auto& [grain, unit] : file.what->data) {
    const auto bytes = visible(history, values[unit], grain, file.size);
    if (bytes.empty()) continue;
    const bool whole = bytes.size() == history.grain();
    if (!whole && std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) continue;
    hash.add(grain);
    hash.add(whole ? values[unit].number : hash_of(bytes));
  }
  return hash.value();
}

class Walk {
 public:
  Walk(const History& history, Image& image) : history_(history), image_(image) {}

  void directory(FileNumber number, const std::string& prefix) {
    if (!entered_.insert(number).second) return;  // two names for one directory: the first is shown
    for (const auto& [name, unit] : history_.files().at(number).entries) {
      const auto file = static_cast<FileNumber>(image_.values[unit].number);
      if (file == kNoFile || entered_.contains(file)) continue;
      const History::File& what = history_.files().at(file);
      image_.files.push_back(
          {prefix + name, &what, what.type == FileType::Regular ? image_.values[what.size].number : 0});
      if (what.type == FileType::Directory) directory(file, prefix + name + "/");
    }
  }

 private:
  const History& history_;
  Image& image_;
  std::set<FileNumber> entered_;
};

}  // namespace

std::span<const std::byte> visible(const History& history, const Value& value, std::uint64_t grain, Bytes size) {
  const Bytes start = grain * history.grain();
  if (value.bytes == nullptr || start >= size) return {};
  return {value.bytes, std::min(history.grain(), size - start)};
}

Image image_of(const History& history, std::vector<Value> values) {
  Image image;
  image.values = std::move(values);
  Walk(history, image).directory(kRoot, "");
  RunningHash hash;
  std::map<const History::File*, std::uint64_t> names;  // hard links show
  for (const Image::File& file : image.files) {
    hash.add(hash_of(std::as_bytes(std::span(file.path))));
    hash.add(names.try_emplace(file.what, names.size()).first->second);
    hash.add(hash_file(history, file, image.values));
  }
  image.hash = hash.value();
  return image;
}

}  // namespace pagefold::crash
