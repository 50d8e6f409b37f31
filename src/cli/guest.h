// Asking for one guest, for the verbs that show one.
#pragma once

#include <sys/types.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "view/introspector.h"
#include "view/process_view.h"

namespace pagefold::cli {

// Finds the guest; otherwise tells why not and returns nothing.
std::optional<view::ProcessView> guest_or_complaint(pid_t pid, view::WithPages with_pages);

// The PID argument of a verb.
void add_pid(CLI::App& verb, pid_t& pid);

}  // namespace pagefold::cli
