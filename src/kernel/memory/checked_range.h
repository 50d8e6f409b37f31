// The range of a memory call, from its start and length as the guest gave them.
#pragma once

#include <cerrno>

#include "base/page.h"

namespace pagefold::kernel {

struct Checked {
  VirtRange range;
  int error = 0;       // with which the call ends
  bool empty = false;  // nothing is to be done
};

// A length that becomes 0 when rounded up to pages is refused by some calls, and an empty range for the others.
enum class Wrapped { Refused, Empty };

inline Checked check(VirtAddr start, Bytes raw_length, int overflow_error, Wrapped wrapped = Wrapped::Empty) {
  const Bytes length = page_up(raw_length);
  if (!page_aligned(start)) return {{}, EINVAL, false};
  if (wrapped == Wrapped::Refused && raw_length != 0 && length == 0) return {{}, overflow_error, false};
  if (start + length < start) return {{}, overflow_error, false};
  return {{start, start + length}, 0, length == 0};
}

}  // namespace pagefold::kernel
