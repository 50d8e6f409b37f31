// The supervisor's end of the control channel (see control.h): one thread, one poll loop, all sockets non-blocking.
//
// Who may ask: processes of user 0 or of the supervisor's own user (SO_PEERCRED). A client that is slow to ask or to
// read is dropped after kControlTimeout and never delays another; with kMaxClients connected, the oldest gives way.
// What is slow is only the Introspector, and it is asked from this thread alone: it must outlive the server and do its
// own locking.
#pragma once

#include <memory>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "view/introspector.h"

namespace pagefold::view {

inline constexpr std::size_t kMaxClients = 32;

class ControlServer {
 public:
  // Listens as "@pagefold/<own pid>". EADDRINUSE when this process has a server already.
  static Result<std::unique_ptr<ControlServer>> start(Introspector& introspector);

  ~ControlServer() { stop(); }
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Ends the thread and drops its clients; may be called again.
  void stop();

 private:
  ControlServer(UniqueFd listener, UniqueFd wake) : listener_(std::move(listener)), wake_(std::move(wake)) {}

  UniqueFd listener_;
  UniqueFd wake_;  // eventfd: readable means stop
  std::thread thread_;
};

}  // namespace pagefold::view
