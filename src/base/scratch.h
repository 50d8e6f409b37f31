// Memory for contents on their way from one place to another: one block a thread, kept from call to call and never
// cleared. PageBlock: the same for whoever keeps it longer. Both begin at a page boundary, as O_DIRECT wants it.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "base/page.h"

namespace pagefold {

struct FreePageBlock {
  void operator()(std::byte* block) const { ::operator delete[](block, std::align_val_t{kPageSize}); }
};
using PageBlock = std::unique_ptr<std::byte[], FreePageBlock>;
inline PageBlock make_page_block(Bytes size) {
  return PageBlock(static_cast<std::byte*>(::operator new[](size, std::align_val_t{kPageSize})));
}

// At least `size` bytes, with anything in them, valid until this thread's next call.
inline std::byte* scratch(Bytes size) {
  thread_local PageBlock memory;
  thread_local Bytes capacity = 0;
  if (capacity < size) {
    memory = make_page_block(size);
    capacity = size;
  }
  return memory.get();
}

}  // namespace pagefold
