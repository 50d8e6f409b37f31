// See guest.h.
#include "cli/guest.h"

#include <fmt/format.h>

#include <limits>

#include "cli/output.h"
#include "view/control_client.h"

namespace pagefold::cli {

std::optional<view::ProcessView> guest_or_complaint(pid_t pid, view::WithPages with_pages) {
  Result<view::ProcessView> guest = view::find_guest(pid, with_pages);
  if (guest) return std::move(*guest);
  if (guest.error().code == ESRCH) {
    complain(fmt::format("no guest with pid {} is running under pagefold; `pagefold ps` lists them", pid));
  } else {
    complain(fmt::format("cannot ask about pid {}: {}", pid, guest.error().message()));
  }
  return std::nullopt;
}

void add_pid(CLI::App& verb, pid_t& pid) {
  verb.add_option("PID", pid, "A process that runs under Pagefold (see `pagefold ps`)")
      ->required()
      ->type_name("")
      ->check(CLI::Range(1, std::numeric_limits<pid_t>::max()).description(""));
}

}  // namespace pagefold::cli
