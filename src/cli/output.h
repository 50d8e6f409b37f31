// What all verbs say in the same way.
#pragma once

#include <string_view>

#include "report/summary.h"

namespace pagefold::cli {

// Colour for a descriptor: it is a terminal (and no dumb one), and NO_COLOR is not set to anything (no-color.org).
report::Colour colour_for(int fd);

// Writes to standard output. Returns the exit code: 0, or 1 after telling that it failed (a full disk).
int print_result(std::string_view text);

// Whether all that was written to standard output has arrived; false after telling that it has not.
bool flush_result();

// "pagefold: MESSAGE" on standard error.
void complain(std::string_view message);
// The same, on the way out.
int complain(std::string_view message, int exit_code);

}  // namespace pagefold::cli
