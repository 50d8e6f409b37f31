// A file for one test, in the build folder (a temporary folder is often tmpfs, whose files the cache leaves to the host).
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/fd.h"

namespace pagefold {

class ScratchFile {
 public:
  explicit ScratchFile(const std::string& contents) {
    std::string name = std::string(PAGEFOLD_BINARY) + "-scratch-XXXXXX";
    const UniqueFd fd(::mkstemp(name.data()));
    path_ = name;
    usable_ = fd && ::write(fd.get(), contents.data(), contents.size()) == static_cast<ssize_t>(contents.size());
  }
  ~ScratchFile() { ::unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  [[nodiscard]] bool usable() const { return usable_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] UniqueFd open(int flags = O_RDONLY) const { return UniqueFd(::open(path_.c_str(), flags | O_CLOEXEC)); }

 private:
  std::string path_;
  bool usable_ = false;
};

}  // namespace pagefold
