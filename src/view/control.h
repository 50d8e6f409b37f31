// The control channel: how `pagefold ps`, `maps` and `smaps` ask a running supervisor what its guests' memory looks
// like.
//
// Each supervisor listens on the abstract unix stream socket "@pagefold/PID" (PID its own; the name vanishes with it,
// so that nothing is left after kill -9). A connection carries one request, a line of JSON, and one answer:
//   {"verb": "ps"}                                  -> {"ok": {"schema_version": 1, "processes": [...]}}
//   {"verb": "process", "pid": 42, "pages": true}   -> {"ok": {"schema_version": 1, "process": {...}}}
//   anything else                                   -> {"error": "what is wrong", "code": errno}
// Abstract names belong to a network namespace: supervisors in another one are not seen.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "view/introspector.h"

namespace pagefold::view {

inline constexpr std::string_view kControlPrefix = "pagefold/";
inline constexpr std::size_t kMaxRequest = 4096;                   // bytes, newline included
inline constexpr std::size_t kMaxAnswer = std::size_t{256} << 20;  // what a client is ready to read
inline constexpr std::chrono::milliseconds kControlTimeout{2000};  // for a client to ask, and again to take the answer

struct ControlAddress {
  sockaddr_un address{};
  socklen_t length = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};
ControlAddress control_address(pid_t supervisor);

// The answer, one line, to one request (without its newline); input of any kind yields an answer.
std::string answer_request(Introspector& introspector, std::string_view request);

// {"error": ..., "code": ...} on one line.
std::string error_answer(const Error& error);

}  // namespace pagefold::view
