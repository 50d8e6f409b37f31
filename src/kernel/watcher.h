// No guest outlives its supervisor. Guests live in a cgroup of the run's own; a watcher process holds the supervisor's
// descriptors open with it (so that faults hang rather than read zeros), waits for the supervisor's death, and then kills the
// cgroup and removes it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/error.h"
#include "base/fd.h"

namespace pagefold::kernel {

class Watcher {
 public:
  Watcher() = default;
  // Makes the cgroup and starts the watcher. Call before any other thread exists.
  // ENOENT or EACCES: no cgroup v2 where a group can be made.
  Result<void> start();
  // fork(2), with the child born in the cgroup (moving a process there costs milliseconds). The caller has one thread.
  [[nodiscard]] pid_t fork_into() const;
  // Ends whatever guest process is left.
  void end_guests() const;
  // The same, then the cgroup and the watcher.
  void finish();

 private:
  std::string directory_;
  UniqueFd group_, kill_, events_, supervisor_;
  pid_t pid_ = 0;
};

}  // namespace pagefold::kernel
