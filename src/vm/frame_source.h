// Where page contents are kept. The model moves pages about only through this; src/frame implements it on memfds, tests
// implement it on a std::map.
#pragma once

#include "base/error.h"
#include "base/page.h"

namespace pagefold::vm {

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // Offsets and lengths are bytes, page aligned where frames are released. A frame never written reads as zeros.
  virtual Result<void> read(Bytes offset, void* to, Bytes length) const = 0;
  virtual Result<void> write(Bytes offset, const void* from, Bytes length) = 0;
  // Gives the frames of [offset, offset + length) back, and takes them out of every page table that maps them.
  virtual Result<void> release(Bytes offset, Bytes length) = 0;
};

}  // namespace pagefold::vm
