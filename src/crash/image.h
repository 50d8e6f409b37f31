// The files that a state leaves, and how they are written to a directory.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
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

// Makes `directory` hold exactly the image; it is created if it is missing.
Result<void> rebuild(const History& history, const Image& image, const std::string& directory);
// Removes what is in a directory.
Result<void> clear_directory(const std::string& directory);

}  // namespace pagefold::crash
