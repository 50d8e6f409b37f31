// Pagefold's dynamic loader in the place of glibc's. The host has mapped the program and the interpreter that it names,
// and nothing has run; when that interpreter is glibc's, its mappings are left out of the model, ld-pagefold.so's stand
// there instead, at the same address (AT_BASE stays true), and the program is started at its entry. No file is opened
// in the guest: what it sees is what the supervisor found at its own start, also in a chroot and for a guest that has
// dropped its rights.
//
// The genuine loader stays where anything is unusual: AT_SECURE, an interpreter of another name, no room at its
// address. Beyond that ld-pagefold.so decides, and hands over by itself.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/file_cache.h"
#include "elf/load_plan.h"
#include "kernel/process/host_proc.h"
#include "kernel/space.h"

namespace pagefold::kernel {

class OwnLoader {
 public:
  // The loader beside the running command, or in the library directory of its installation. ELIBACC: there is none.
  static Result<std::string> find();
  // ELIBACC: it cannot be read. ELIBBAD: it is none that can be put in an interpreter's place.
  static Result<std::unique_ptr<OwnLoader>> open(const std::string& path);

  // Where the interpreter lies that it may stand in for, in a process that stands at its first instruction; `mappings`
  // are all of its mappings. Empty: there is none, or it must stay.
  VirtRange place_in(pid_t pid, const std::vector<HostMapping>& mappings) const;
  // Puts the loader's mappings into the model at base. EAGAIN: its file is being written; nothing was changed.
  Result<void> map(Space& space, cache::FileCache& files, VirtAddr base) const;
  [[nodiscard]] VirtAddr entry(VirtAddr base) const { return base + entry_; }

 private:
  UniqueFd file_;
  std::string path_;
  std::vector<elf::LoadSegment> segments_;
  Bytes size_ = 0;  // of all of it in memory
  VirtAddr entry_ = 0;
};

// Whether this is the name of glibc's dynamic loader.
bool is_system_loader(std::string_view path);

}  // namespace pagefold::kernel
