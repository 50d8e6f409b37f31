// How dirty frames get into their file, one run of pages after the other.
//
// Up to some dozens of runs are copied out and written with pwrite(2): two cheap calls a run, and as many small writes of the
// disk, which its queue takes side by side. For more, the file itself is mapped, a window at a time, and the frames are read
// straight into it: the first store to a page of the window is a fault, in which the file system marks the whole folio dirty, so
// that pages which lie near each other reach the disk in large writes (as they do natively) and not one by one. These faults
// are most of what a large write-back takes; natively the program has them when it stores.
// The kernel makes these copies, so whatever goes wrong is an error, never a signal; the run is then written with pwrite(2),
// whose errno tells what it is.
#pragma once

#include "frame/store.h"
#include "vm/page_set.h"

namespace pagefold::cache {

// Whether somebody waits until the pages are on their disk: then the disk may begin before all are written.
enum class Hurry : bool { No, Yes };

class FrameWriter {
 public:
  // The frames of `pages` go to `file`, open for reading and writing, as far as `size`.
  FrameWriter(const frame::Store& frames, int file, Bytes size, const vm::PageSet& pages, Hurry hurry);
  // If it is urgent the disk has begun.
  ~FrameWriter();
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  // [first, last) of `pages`, in ascending order from call to call; at most kStep pages.
  Result<void> write(PageIndex first, PageIndex last);
  static constexpr PageIndex kStep = 256;

 private:
  Result<void> write_copy(Bytes start, Bytes end);
  bool write_in_window(Bytes start, Bytes end);
  bool open_window(Bytes start);
  void close_window();
  void start_disk(Bytes start, Bytes length) const;

  const frame::Store& frames_;
  const int file_;
  const Bytes size_;
  const Hurry hurry_;
  const unsigned runs_;
  bool windows_;                 // false: pwrite(2) alone
  std::byte* window_ = nullptr;  // of the file, at window_start_
  Bytes window_start_ = 0, window_length_ = 0;
};

}  // namespace pagefold::cache
