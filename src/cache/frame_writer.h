// How dirty frames get into their file, one run of pages after the other.
//
// A few runs are copied out and written with pwrite(2). For many short ones the file itself is mapped, a window at a time,
// and the frames are read straight into it: one copy less, and the host's file systems mark whole folios dirty at a store, so
// that pages which lie near each other reach the disk in large writes (as they do natively) and not one by one.
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
  ~FrameWriter() { close_window(); }
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

  const frame::Store& frames_;
  const int file_;
  const Bytes size_;
  const Hurry hurry_;
  bool windows_;                // false: pwrite(2) alone
  std::byte* window_ = nullptr;  // of the file, at window_start_
  Bytes window_start_ = 0, window_length_ = 0;
};

}  // namespace pagefold::cache
