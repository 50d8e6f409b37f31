#include "cache/frame_writer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/scratch.h"

namespace pagefold::cache {
namespace {

// From so many runs on windows are worth their faults.
constexpr unsigned kManyRuns = 64;
// A window: as large as a folio can be, and aligned as one.
constexpr Bytes kWindow = Bytes{2} << 20;
constexpr PageIndex kEnd = ~PageIndex{0} >> kPageShift;

unsigned runs_of(const vm::PageSet& pages) {
  unsigned runs = 0;
  pages.for_each_run(0, kEnd, [&](PageIndex, PageIndex) { ++runs; });
  return runs;
}

}  // namespace

FrameWriter::FrameWriter(const frame::Store& frames, int file, Bytes size, const vm::PageSet& pages, Hurry hurry)
    : frames_(frames), file_(file), size_(size), hurry_(hurry), runs_(runs_of(pages)), windows_(runs_ >= kManyRuns) {}

FrameWriter::~FrameWriter() {
  close_window();
  if (runs_ > 1 && !windows_) start_disk(0, size_);
}

Result<void> FrameWriter::write(PageIndex first, PageIndex last) {
  const Bytes start = bytes_of(first), end = std::min(bytes_of(last), size_);
  return write_in_window(start, end) ? Result<void>{} : write_copy(start, end);
}

Result<void> FrameWriter::write_copy(Bytes start, Bytes end) {
  std::byte* contents = scratch(end - start);
  PAGEFOLD_CHECK(frames_.read(start, contents, end - start));
  for (Bytes at = start; at < end;) {
    const ssize_t n = ::pwrite(file_, contents + (at - start), end - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("write back");
    at += static_cast<Bytes>(n);
  }
  return {};
}

bool FrameWriter::write_in_window(Bytes start, Bytes end) {
  while (windows_ && start < end) {
    if (window_ == nullptr || start >= window_start_ + window_length_) {
      close_window();
      if (!open_window(start)) break;
    }
    const Bytes until = std::min(end, window_start_ + window_length_);
    if (!frames_.read(start, window_ + (start - window_start_), until - start)) windows_ = false;
    start = until;
  }
  return windows_;
}

bool FrameWriter::open_window(Bytes start) {
  const Bytes at = start - start % kWindow;
  void* mapped = ::mmap(nullptr, kWindow, PROT_READ | PROT_WRITE, MAP_SHARED, file_, static_cast<off_t>(at));
  windows_ = mapped != MAP_FAILED;
  if (!windows_) return false;
  window_ = static_cast<std::byte*>(mapped);
  window_start_ = at;
  window_length_ = kWindow;
  return true;
}

void FrameWriter::close_window() {
  if (window_ == nullptr) return;
  ::munmap(window_, window_length_);
  window_ = nullptr;
  start_disk(window_start_, window_length_);
}

void FrameWriter::start_disk(Bytes start, Bytes length) const {
  if (hurry_ == Hurry::No) return;
  (void)::sync_file_range(file_, static_cast<off_t>(start), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
}

}  // namespace pagefold::cache
