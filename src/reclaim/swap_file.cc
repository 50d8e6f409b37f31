// Swap in a file: slot s is page s - 1 of it. Free slots are reused, the lowest first, so that the file stays short.
// The file is this run's alone and removed at once: no other program can see the pages, and they are gone when the run
// ends however it ends.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <set>

#include "base/fd.h"
#include "reclaim/swap.h"

namespace pagefold::reclaim {
namespace {

class FileSwap final : public SwapBackend {
 public:
  FileSwap(UniqueFd file, Bytes size) : file_(std::move(file)), slots_(page_of(size)) {}

  Result<SwapSlot> put(const std::byte* page) override {
    if (all_zeros(page)) {
      count_out(0);
      return kZeroPage;
    }
    const SwapSlot slot = take();
    if (slot == 0) return fail(ENOSPC, "swap file");
    Bytes done = 0;
    while (done < kPageSize) {
      const ssize_t n = ::pwrite(file_.get(), page + done, kPageSize - done, place(slot) + static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        const int error = n < 0 ? errno : EIO;
        drop(slot);
        if (error == ENOSPC) stop_growing();
        return fail(error, "write to the swap file");
      }
      done += static_cast<Bytes>(n);
    }
    count_out(held());
    return slot;
  }

  Result<void> get(SwapSlot slot, std::byte* to) override {
    count_in();
    if (slot == kZeroPage) {
      std::fill_n(to, kPageSize, std::byte{0});
      return {};
    }
    for (Bytes done = 0; done < kPageSize;) {
      const ssize_t n = ::pread(file_.get(), to + done, kPageSize - done, place(slot) + static_cast<off_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno("read the swap file");
      if (n == 0) return fail(EIO, "the swap file has been cut short");
      done += static_cast<Bytes>(n);
    }
    return {};
  }

  void drop(SwapSlot slot) override {
    if (slot == kZeroPage) return;
    const std::lock_guard lock(mutex_);
    free_.insert(slot);
    set_full(false);
  }

  [[nodiscard]] std::string trouble() const override {
    const std::lock_guard lock(mutex_);
    return no_room_ ? Error{ENOSPC, "the swap file"}.message() : "";
  }

  [[nodiscard]] Bytes held() const override {
    const std::lock_guard lock(mutex_);
    return bytes_of(used_ - free_.size());
  }

 private:
  static off_t place(SwapSlot slot) { return static_cast<off_t>(bytes_of(slot - 1)); }

  // The file system is full: the slots that were written stay in use, and there will be no more.
  void stop_growing() {
    const std::lock_guard lock(mutex_);
    while (!free_.empty() && *std::prev(free_.end()) == used_) {
      free_.erase(std::prev(free_.end()));
      --used_;
    }
    slots_ = used_;
    no_room_ = true;
    if (free_.empty()) set_full(true);
  }

  // 0: full.
  SwapSlot take() {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) return free_.extract(free_.begin()).value();
    if (used_ < slots_) return ++used_;
    set_full(true);
    return 0;
  }

  UniqueFd file_;
  mutable std::mutex mutex_;
  PageIndex slots_;  // at most
  bool no_room_ = false;
  SwapSlot used_ = 0;  // slots that were ever in use
  std::set<SwapSlot> free_;
};

}  // namespace

Result<std::unique_ptr<SwapBackend>> make_swap_file(const std::string& path, Bytes size) {
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return fail_errno("create the swap file " + path);
  if (::unlink(path.c_str()) != 0) return fail_errno("remove the swap file " + path);
  return std::make_unique<FileSwap>(std::move(file), size);
}

}  // namespace pagefold::reclaim
