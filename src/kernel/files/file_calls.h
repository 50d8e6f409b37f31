// What the calls on fully owned files share: the file behind a guest's descriptor, the rights and limits of the guest,
// and holding the file still while it changes. Internal to file_read.cc, file_write.cc, file_copy.cc, file_resize.cc.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <vector>

#include "base/rights.h"
#include "kernel/calls.h"
#include "kernel/files/own_files.h"

namespace pagefold::kernel {

// A regular file that a guest has open, through its own open file description (offset, flags and locks are shared). To
// be closed before the call is answered: as long as we have it, the guest's close(2) is not the last.
struct GuestFile {
  UniqueFd fd;
  struct stat status {};                  // without times
  int flags = 0;                          // F_GETFL
  std::shared_ptr<cache::FullFile> full;  // null: nobody maps it

  [[nodiscard]] bool readable() const {
    return (flags & (O_ACCMODE | O_PATH)) == O_RDONLY || (flags & (O_ACCMODE | O_PATH)) == O_RDWR;
  }
  [[nodiscard]] bool writable() const {
    return (flags & (O_ACCMODE | O_PATH)) == O_WRONLY || (flags & (O_ACCMODE | O_PATH)) == O_RDWR;
  }
};

// nullopt: no regular file; the call is the host's alone.
std::optional<GuestFile> guest_file(const Call& call, int fd);

// While the file is changed: no frame of it is filled, and none comes into being that was not there; and this thread has
// the guest's rights.
class Changing {
 public:
  Changing(const Call& call, GuestFile& file);
  [[nodiscard]] cache::FullFile* full() const { return file_.get(); }
  // The file's [first, last) has been changed: `follow` has the frames follow and returns how many have gone. Nothing
  // is to be done for a file that nobody maps.
  template <class Follow>
  void note(PageIndex first, PageIndex last, Follow&& follow) const {
    if (!file_) return;
    const Bytes old_size = file_->size();
    count_gone(follow(*file_));
    files_.changed(*file_, first, last, old_size);
  }

 private:
  OwnFiles& files_;
  std::unique_lock<std::mutex> gate_;
  std::shared_ptr<cache::FullFile> file_;
  std::unique_lock<std::shared_mutex> contents_;
  std::optional<ActingAs> acting_;
};

// The arguments of sendfile, splice and copy_file_range.
struct CopyCall {
  int in, out;
  VirtAddr in_offset, out_offset;  // of the guest's off_t; 0: none
  Bytes length;
  unsigned flags;
};
CopyCall copy_call(const Call& call);

// Writes through this file with these flags of pwritev2 go to its end.
bool appends(const GuestFile& file, int flags);
Bytes size_of(const GuestFile& file);

// RLIMIT_FSIZE is the guest's, the call is ours: how many of `length` bytes may be written at `offset`. 0 with EFBIG
// and a signal, as generic_write_check_limits() does.
Result<Bytes> within_limit(const Call& call, Bytes offset, Bytes length);

// The page behind the last one that [offset, offset + length) touches.
inline PageIndex page_behind(Bytes offset, Bytes length) {
  constexpr Bytes kFar = Bytes{1} << 62;
  return offset >= kFar || length >= kFar ? OwnFiles::kAll : page_of(page_up(offset + length));
}

}  // namespace pagefold::kernel
