// The asking end of the control channel (see control.h): finds the supervisors that run now and asks them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "view/control.h"
#include "view/introspector.h"
#include "view/process_view.h"

namespace pagefold::view {

// The supervisors listening in a text of the form of /proc/net/unix, ascending.
std::vector<pid_t> parse_supervisors(std::string_view proc_net_unix);
std::vector<pid_t> running_supervisors();

// The "ok" part of the answer. ESRCH when pid is no supervisor's; ETIMEDOUT; EACCES when the listener is neither of
// user 0 nor of the caller's own user (anybody can take an abstract name; user 0 asks all); EBADMSG for an answer that
// is none; otherwise the error of the answer.
Result<nlohmann::json> ask(pid_t supervisor, const nlohmann::json& request,
                           std::chrono::milliseconds timeout = kControlTimeout);

struct GuestList {
  std::vector<ProcessView> guests;      // ascending by pid, without mappings
  std::vector<std::string> unanswered;  // one line for each supervisor that could not be asked, and why
};
GuestList list_guests();

// ESRCH when no supervisor has such a guest. A supervisor that ends while it is asked counts as not having it.
Result<ProcessView> find_guest(pid_t pid, WithPages with_pages);

}  // namespace pagefold::view
