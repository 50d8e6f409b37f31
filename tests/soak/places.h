// Where the files of a run lie: on a disk's file system, on tmpfs, or on an overlayfs of its own, which needs the right to mount.
// Overlays are mounted in a mount namespace of this process, so nothing of them can be left behind.
#pragma once

#include <string>
#include <vector>

namespace pagefold::soak {

enum class Place { Disk, Tmpfs, Overlay };

const char* name_of(Place place);
// Those that can be had here. The first call moves this process to a mount namespace of its own, if it may.
const std::vector<Place>& places();
// Empty, or why there is no overlayfs.
const std::string& no_overlay();

// A fresh directory at the place, removed with everything in it at the end.
class Directory {
 public:
  explicit Directory(Place place);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string path() const { return place_ == Place::Overlay ? root_ + "/merged" : root_; }

 private:
  Place place_;
  std::string root_;
};

}  // namespace pagefold::soak
