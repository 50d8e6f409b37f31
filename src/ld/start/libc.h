// Which libc will this program have, and do we know it? Answered before anything is mapped for good: its file is found
// by the ordinary search, its build-id read from the first bytes and looked up in the tables. The open file is kept for
// mapping.
#pragma once

#include "ld/abi/glibc/layout.h"

namespace pagefold::ld {

struct LibcFound {
  const glibc::Build* build = nullptr;
  const char* reason = nullptr;  // why the genuine loader has to do this start
  uint64_t device = 0, inode = 0;
};

// Searches as the main program would.
LibcFound find_libc();

inline constexpr const char* kLibcName = "libc.so.6";

}  // namespace pagefold::ld
