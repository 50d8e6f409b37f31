// The seccomp filter of a run: made from the system-call table, inherited by every guest for life.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/error.h"

namespace pagefold::kernel {

enum class FileCalls : bool { Native, Trapped };  // reads and writes of files: Trapped when files are fully owned
enum class Watched : bool { No, Yes };  // the calls of watched_calls.h are trapped, too

std::vector<sock_filter> make_filter(FileCalls file_calls = FileCalls::Native, Watched watched = Watched::No);
// Installs the filter in the calling process; the listener's descriptor. Async-signal-safe after make_filter().
// Without CAP_SYS_ADMIN, no_new_privs is set first: set-uid programs then run without their rights.
int install_filter(const std::vector<sock_filter>& filter);

}  // namespace pagefold::kernel
