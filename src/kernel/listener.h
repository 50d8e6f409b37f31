// The receiving end of the seccomp filter: system calls of guests arrive here as notifications and wait for an answer
// (seccomp_unotify(2)). Any thread may receive or answer. An answer to a call whose thread has died is quietly dropped.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace pagefold::kernel {

class Listener {
 public:
  Listener() = default;
  explicit Listener(UniqueFd fd);

  [[nodiscard]] int fd() const { return fd_.get(); }

  // Waits for the next call. EINTR when interrupted, ENOENT when it vanished, anything else: no guest is left.
  Result<seccomp_notif> receive() const;
  void reply(std::uint64_t id, std::int64_t value) const;
  void fail(std::uint64_t id, int error) const;
  // Lets the host kernel carry the call out as it stands.
  void proceed(std::uint64_t id) const;
  // Installs a copy of fd (close-on-exec) in the calling process; the number it got there.
  Result<int> add_fd(std::uint64_t id, int fd) const;
  // Answers the call with a new descriptor.
  Result<void> reply_fd(std::uint64_t id, int fd, bool close_on_exec) const;
  // False when the thread that made the call is gone, so that its pid may belong to another.
  [[nodiscard]] bool still_waiting(std::uint64_t id) const;

 private:
  void send(const seccomp_notif_resp& response) const;

  UniqueFd fd_;
};

}  // namespace pagefold::kernel
