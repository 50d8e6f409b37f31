// Swap in a file: slot s is page s - 1 of it. A batch of pages is one write and a run of slots one read, both past the host's
// page cache (O_DIRECT): cached they would take the memory that the limit is about, and be held up where others write. On file
// systems that cannot do that they go through the cache.
//
// Room is allocated ahead of need, so that a full file system is met here and not in the middle of a batch. The file is this
// run's alone and removed at once: no other program can see the pages, and they are gone when the run ends however it ends.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include "base/fd.h"
#include "reclaim/slot_runs.h"
#include "reclaim/swap.h"

namespace pagefold::reclaim {
namespace {

constexpr PageIndex kAllocateAtOnce = 4096;  // 16 MiB
constexpr std::size_t kMostAtOnce = 256;     // pages by one write; IOV_MAX is 1024

class FileSwap final : public SwapBackend {
 public:
  FileSwap(UniqueFd file, bool direct, Bytes size) : file_(std::move(file)), direct_(direct), runs_(page_of(size)) {}

  Result<std::size_t> put(const std::byte* pages, std::span<SwapSlot> slots) override {
    std::vector<std::size_t> stored;  // which of them take a slot
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots[i] = kZeroPage;
      if (!all_zeros(pages + bytes_of(i))) stored.push_back(i);
    }
    std::size_t at = 0;
    Error reason{ENOSPC, "swap file"};
    while (at < stored.size()) {
      const SlotRuns::Run run = take(std::min(stored.size() - at, kMostAtOnce));
      if (run.count == 0) break;
      const auto written = write_run(run, pages, {stored.data() + at, run.count});
      for (std::size_t i = 0; i < written; ++i) slots[stored[at + i]] = run.first + i;
      at += written;
      if (written == run.count) continue;
      reason = {errno, "write to the swap file"};
      give_up({run.first + written, run.count - written}, reason.code == ENOSPC);
      break;
    }
    const std::size_t done = at < stored.size() ? stored[at] : slots.size();
    if (done == 0) return tl::unexpected(std::move(reason));
    count_out(done, held());
    return done;
  }

  Result<void> get(std::span<const SwapSlot> slots, std::byte* to) override {
    count_in(slots.size());
    while (!slots.empty()) {
      const std::size_t count = together(slots);
      if (slots.front() == kZeroPage)
        std::fill_n(to, bytes_of(count), std::byte{0});
      else
        PAGEFOLD_CHECK(read_run({slots.front(), count}, to));
      slots = slots.subspan(count);
      to += bytes_of(count);
    }
    return {};
  }

  void drop(std::span<const SwapSlot> slots) override {
    const std::lock_guard lock(mutex_);
    while (!slots.empty()) {
      const std::size_t count = together(slots);
      if (slots.front() != kZeroPage) runs_.give_back({slots.front(), count});
      slots = slots.subspan(count);
    }
    set_full(runs_.full());
  }

  [[nodiscard]] std::size_t together(std::span<const SwapSlot> slots) const override {
    const SwapSlot step = slots.front() == kZeroPage ? 0 : 1;
    std::size_t count = 1;
    while (count < slots.size() && slots[count] == slots[count - 1] + step) ++count;
    return count;
  }

  [[nodiscard]] std::string trouble() const override {
    const std::lock_guard lock(mutex_);
    return no_room_ ? Error{ENOSPC, "the swap file"}.message() : "";
  }

  [[nodiscard]] Bytes held() const override {
    const std::lock_guard lock(mutex_);
    return bytes_of(runs_.held());
  }

 private:
  static off_t place(SwapSlot slot) { return static_cast<off_t>(bytes_of(slot - 1)); }

  SlotRuns::Run take(PageIndex wish) {
    const std::lock_guard lock(mutex_);
    SlotRuns::Run run = runs_.take(wish);
    while (run.count > 0 && run.first + run.count - 1 > allocated_ && !allocate(run.first + run.count - 1)) {
      // The file system is full: what is allocated stays in use, and there will be no more.
      runs_.give_back(run);
      runs_.end_at(allocated_);
      no_room_ = true;
      run = runs_.take(wish);
    }
    set_full(runs_.full());
    return run;
  }

  // Lock held. Room for at least the slots up to `last`.
  bool allocate(SwapSlot last) {
    const PageIndex least = last - allocated_;
    for (PageIndex more = std::max(least, std::min(kAllocateAtOnce, runs_.most() - allocated_));; more = least) {
      const off_t from = static_cast<off_t>(bytes_of(allocated_)), length = static_cast<off_t>(bytes_of(more));
      int error = 0;
      while ((error = ::fallocate(file_.get(), 0, from, length) == 0 ? 0 : errno) == EINTR) continue;
      if (error == 0 || error == EOPNOTSUPP || error == ENOSYS) {  // there the writes tell
        allocated_ += more;
        return true;
      }
      if (more == least) return false;
    }
  }

  void give_up(SlotRuns::Run rest, bool full) {
    const std::lock_guard lock(mutex_);
    runs_.give_back(rest);
    if (!full) return;
    runs_.end_at(rest.first - 1);
    no_room_ = true;
    set_full(runs_.full());
  }

  // How many of `which` pages it wrote; if not all, errno says why. A page that was written in part is written again.
  std::size_t write_run(SlotRuns::Run run, const std::byte* pages, std::span<const std::size_t> which) {
    std::array<iovec, kMostAtOnce> parts;
    for (std::size_t i = 0; i < run.count; ++i)
      parts[i] = {const_cast<std::byte*>(pages + bytes_of(which[i])), kPageSize};  // iovec knows no const
    std::size_t done = 0;
    for (bool in_vain = false; done < run.count;) {
      const ssize_t n = ::pwritev(file_.get(), &parts[done], static_cast<int>(run.count - done), place(run.first + done));
      if (n < 0 && (errno == EINTR || (errno == EINVAL && use_cache()))) continue;
      if (n < 0) break;
      const std::size_t whole = page_of(static_cast<Bytes>(n));
      if (whole == 0 && std::exchange(in_vain, true)) {
        errno = EIO;
        break;
      }
      done += whole;
    }
    return done;
  }

  Result<void> read_run(SlotRuns::Run run, std::byte* to) {
    const Bytes length = bytes_of(run.count);
    for (Bytes done = 0; done < length;) {
      // What was read of the last page in part is read again, from its beginning.
      const Bytes from = page_down(done);
      const ssize_t n = ::pread(file_.get(), to + from, length - from, place(run.first) + static_cast<off_t>(from));
      if (n < 0 && (errno == EINTR || (errno == EINVAL && use_cache()))) continue;
      if (n < 0) return fail_errno("read the swap file");
      if (from + static_cast<Bytes>(n) <= done) return fail(EIO, "the swap file has been cut short");
      done = from + static_cast<Bytes>(n);
    }
    return {};
  }

  // From now on. False: it was so already.
  bool use_cache() {
    if (!direct_.exchange(false)) return false;
    const int flags = ::fcntl(file_.get(), F_GETFL);
    (void)::fcntl(file_.get(), F_SETFL, flags & ~O_DIRECT);
    return true;
  }

  UniqueFd file_;
  std::atomic<bool> direct_;
  mutable std::mutex mutex_;  // protects all below
  SlotRuns runs_;
  PageIndex allocated_ = 0;  // slots for which the file system has given room
  bool no_room_ = false;
};

}  // namespace

Result<std::unique_ptr<SwapBackend>> make_swap_file(const std::string& path, Bytes size) {
  const auto create = [&](int mode) {
    return UniqueFd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | mode, 0600));
  };
  bool direct = true;
  UniqueFd file = create(O_DIRECT);
  if (!file && errno == EINVAL) {  // some file systems refuse only after having made the file
    (void)::unlink(path.c_str());
    direct = false;
    file = create(0);
  }
  if (!file) return fail_errno("create the swap file " + path);
  if (::unlink(path.c_str()) != 0) return fail_errno("remove the swap file " + path);
  return std::make_unique<FileSwap>(std::move(file), direct, size);
}

}  // namespace pagefold::reclaim
