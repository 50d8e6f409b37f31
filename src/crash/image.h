// The files that a state leaves: their names, sizes and contents.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "crash/history.h"

namespace pagefold::crash {

struct Image {
  struct File {
    std::string path;  // below the recorded directory; directories come before what is in them
    const History::File* what = nullptr;
    Bytes size = 0;
  };
  std::vector<File> files;
  std::vector<Value> values;  // by unit
  std::uint64_t hash = 0;     // of names and contents

  [[nodiscard]] bool empty() const { return files.empty(); }
};

Image image_of(const History& history, std::vector<Value> values);

// The bytes of a grain that lie within a file of that size; empty for zeros.
std::span<const std::byte> visible(const History& history, const Value& value, std::uint64_t grain, Bytes size);

}  // namespace pagefold::crash
