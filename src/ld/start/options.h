// ld-pagefold.so as a command: its options, and what it does instead of running a program (--help, --version).
#pragma once

namespace pagefold::ld {

// Reads the options into `process`. Returns how many arguments in front of the program's name are ours; 0: an option
// that only the genuine loader has (auditing, diagnostics), whose name `foreign` receives.
int read_options(const char*& foreign);

}  // namespace pagefold::ld
