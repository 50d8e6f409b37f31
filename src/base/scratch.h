// Memory for contents on their way from one place to another: one block a thread, kept from call to call and never
// cleared.
#pragma once

#include <cstddef>
#include <memory>

#include "base/page.h"

namespace pagefold {

// At least `size` bytes, with anything in them, valid until this thread's next call.
inline std::byte* scratch(Bytes size) {
  thread_local std::unique_ptr<std::byte[]> memory;
  thread_local Bytes capacity = 0;
  if (capacity < size) {
    memory = std::make_unique_for_overwrite<std::byte[]>(size);
    capacity = size;
  }
  return memory.get();
}

}  // namespace pagefold
