// Where page contents are kept. The model moves pages about only through this; src/frame implements it on memfds, tests
// implement it on a std::map.
#pragma once

#include "base/error.h"
#include "base/page.h"

namespace pagefold::vm {

// Why a frame was filled: something touched the page, or may soon.
enum class FillReason { Needed, Ahead };

class FrameSource {
 public:
  virtual ~FrameSource() = default;
  // Offsets and lengths are bytes, page aligned where frames are released. A frame never written reads as zeros.
  virtual Result<void> read(Bytes offset, void* to, Bytes length) const = 0;
  virtual Result<void> write(Bytes offset, const void* from, Bytes length) = 0;
  // Gives the frames of [offset, offset + length) back, and takes them out of every page table that maps them.
  virtual Result<void> release(Bytes offset, Bytes length) = 0;
  // A source may keep contents elsewhere than in frames (src/reclaim): such pages are "out". Reading and writing work all the
  // same; who maps a page must give it a frame first.
  // The first page of [first, last) that is out, or last.
  [[nodiscard]] virtual PageIndex next_out(PageIndex first, PageIndex last) const { return (void)first, last; }
  [[nodiscard]] bool is_out(PageIndex page) const { return next_out(page, page + 1) == page; }
  [[nodiscard]] virtual PageIndex out() const { return 0; }  // how many of all
  [[nodiscard]] virtual PageIndex out(PageIndex first, PageIndex last) const { return (void)first, (void)last, 0; }  // how many
  // The page, which has a frame, was touched by a program.
  virtual void touched(PageIndex) {}
  // Programs may store to pages [first, last) from now on: whoever was about to take their frames leaves them alone.
  virtual void stay(PageIndex first, PageIndex last) { (void)first, (void)last; }
  // Pages [first, last) have frames with their contents now, filled by the caller (a page fault maps them itself).
  virtual void filled(PageIndex first, PageIndex last, FillReason reason) { (void)first, (void)last, (void)reason; }
};

// Hears of the frames of an object: pages [first, last).
class FrameListener {
 public:
  enum class Why { Evicted, Freed };
  virtual ~FrameListener() = default;
  virtual void came(PageIndex first, PageIndex last) = 0;
  virtual void gone(PageIndex first, PageIndex last, Why why) = 0;
  virtual void touched(PageIndex page) = 0;
};

}  // namespace pagefold::vm
