#include "places.h"

#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace pagefold::soak {
namespace {

namespace fs = std::filesystem;

// Mounts an overlay at root/merged; 0, or the errno.
int mount_overlay(const std::string& root) {
  std::error_code ignored;
  for (const char* name : {"lower", "upper", "work", "merged"}) fs::create_directory(fs::path(root) / name, ignored);
  const auto options = fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", root);
  return ::mount("overlay", (root + "/merged").c_str(), "overlay", 0, options.c_str()) == 0 ? 0 : errno;
}

std::string fresh_root(Place place) {
  std::string path = place == Place::Tmpfs ? "/dev/shm/pagefold-soak-XXXXXX" : "/var/tmp/pagefold-soak-XXXXXX";
  return ::mkdtemp(path.data()) == nullptr ? std::string() : path;
}

std::string try_overlay() {
  if (::unshare(CLONE_NEWNS) != 0) return fmt::format("no mount namespace: {}", std::strerror(errno));
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fmt::format("no private mounts: {}", std::strerror(errno));
  const std::string root = fresh_root(Place::Disk);
  const int error = mount_overlay(root);
  if (error == 0) ::umount2((root + "/merged").c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(root, ignored);
  return error == 0 ? std::string() : fmt::format("no overlayfs: {}", std::strerror(error));
}

}  // namespace

const char* name_of(Place place) {
  switch (place) {
    case Place::Disk: return "disk";
    case Place::Tmpfs: return "tmpfs";
    default: return "overlay";
  }
}

const std::string& no_overlay() {
  static const std::string why = try_overlay();
  return why;
}

const std::vector<Place>& places() {
  static const std::vector<Place> all = no_overlay().empty()
                                            ? std::vector<Place>{Place::Disk, Place::Tmpfs, Place::Overlay}
                                            : std::vector<Place>{Place::Disk, Place::Tmpfs};
  return all;
}

Directory::Directory(Place place) : place_(place), root_(fresh_root(place)) {
  if (place == Place::Overlay) mount_overlay(root_);
}

Directory::~Directory() {
  if (root_.empty()) return;
  if (place_ == Place::Overlay) ::umount2(path().c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

}  // namespace pagefold::soak
