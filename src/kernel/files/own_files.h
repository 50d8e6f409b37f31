// Fully owned files in the supervisor (`--own-files`; cache/full_file.h says what they are): their pages are guarded in
// every address space that may store into them, and written back when something must see the file: msync, fsync, a call
// that reads it, the last writable mapping's end, exec, the end of the run, and every --writeback interval.
//
// Locks: FullFile::contents() first, then each Space::mutex in turn. No function may be called with a Space::mutex
// held, but where it says so.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "cache/full_file.h"
#include "kernel/space.h"
#include "kernel/files/store_order.h"

namespace pagefold::kernel {

class Supervisor;

class OwnFiles {
 public:
  // watch: who records stores; may be null.
  OwnFiles(Supervisor& supervisor, std::chrono::milliseconds interval, event::FileWatch* watch)
      : supervisor_(supervisor), interval_(interval), order_(watch != nullptr ? std::make_unique<StoreOrder>(*this, *watch) : nullptr) {}
  ~OwnFiles() { stop(); }
  void start();
  void stop();

  // Writes the dirty pages of [first, last) back. EIO, ENOSPC and the like: some are still dirty.
  Result<void> write_back(cache::FullFile& file, PageIndex first = 0, PageIndex last = kAll, cache::Hurry hurry = cache::Hurry::No);
  // The same for a caller that holds file.contents().
  Result<void> write_back_locked(cache::FullFile& file, PageIndex first = 0, PageIndex last = kAll,
                                 cache::Hurry hurry = cache::Hurry::No);
  // All files; the first error.
  Result<void> write_back_all();
  // What msync, fsync and fdatasync mean: a write-back of [first, last), then the host's own (synchronise.cc). Errors are
  // of either, or of a write-back in the background; each is told once, and its pages stay dirty.
  struct HostSync {
    int fd = -1;            // of the file; -1: the one it is mapped through
    bool data_only = true;  // fdatasync
    pid_t thread = 0;       // who asks
  };
  Result<void> synchronise(const std::shared_ptr<cache::FullFile>& file, const HostSync& host, PageIndex first = 0, PageIndex last = kAll);

  // Mirrors of [first, last) are dropped in every space: the file is about to differ from them, or does. With
  // contents() held.
  void expel_locked(cache::FullFile& file, PageIndex first, PageIndex last);
  void expel(cache::FullFile& file, PageIndex first, PageIndex last);
  // The file's [first, last) has just been changed, and its size may be another: mirrors are dropped, and private
  // copies of what is now cut off as well. With contents() held.
  void changed(cache::FullFile& file, PageIndex first, PageIndex last, Bytes old_size);

  // madvise(MADV_REMOVE): the pages become a hole.
  Result<void> punch(cache::FullFile& file, PageIndex first, PageIndex last);

  // A guest maps the file through a descriptor open for writing: what its mapping must hold.
  Result<std::shared_ptr<const void>> hold(const std::shared_ptr<cache::FullFile>& file, UniqueFd writable,
                                           pid_t thread);
  // Pages of files that asynchronous reads were under way to, and which have ended, can be clean again.
  void settle_reads();
  // Files whose last writable mapping is gone are written back and let go.
  void settle();
  // The space will make no more stores that count. Space::mutex held; settle() afterwards.
  static void leave(Space& space);
  // The guest is about to map the file: what outsiders did to it shows from now on.
  void refresh(cache::FullFile& file);

  // Null unless somebody records stores.
  [[nodiscard]] StoreOrder* order() const { return order_.get(); }

  static constexpr PageIndex kAll = ~PageIndex{0} >> kPageShift;

 private:
  void tick();
  void cut_off(const cache::FullFile& file, PageIndex end);
  void guard(const cache::FullFile& file, const vm::PageSet& pages);
  void write_again(const std::shared_ptr<cache::FullFile>& file, const vm::PageSet& pages, const HostSync& host);

  Supervisor& supervisor_;
  const std::chrono::milliseconds interval_;
  const std::unique_ptr<StoreOrder> order_;
  std::mutex mutex_;  // below; innermost
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<std::shared_ptr<cache::FullFile>> unheld_;  // for settle() to look at
  std::thread ticker_;
};

// Frames have gone, in pages.
void count_gone(PageIndex pages);

}  // namespace pagefold::kernel
