// The page cache, one file: a FileObject holds in a frame store the pages of a file that have been needed, once for all
// guests. A file is "owned" like this only while nobody has it open for writing: a read lease (fcntl(2), F_SETLEASE)
// held on it makes the kernel stop any opener for writing, guest or not, until Pagefold has handed the file back to the
// host.
//
// Page states, under mutex(): absent, filling (being read by one thread; others wait on it), resident. An owned file's
// size is fixed: a change of size needs a writer, and a writer ends the object. Fully owned files are another class
// (full_file.h); for their sake a fill holds contents() shared.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "frame/store.h"
#include "vm/object.h"
#include "vm/page_set.h"

namespace pagefold::cache {

class FileObject : public vm::Object {
 public:
  enum class Patience { NoWait, Wait };  // NoWait: only what the host can give without touching a disk

  // file: open for reading, the supervisor's own open file description.
  static Result<std::shared_ptr<FileObject>> create(UniqueFd file, const struct stat& status, std::string name);
  FileObject(UniqueFd file, const struct stat& status, std::string name, std::shared_ptr<frame::Store> store,
             UniqueFd reader);
  ~FileObject() override;

  [[nodiscard]] Bytes size() const { return size_; }
  // As far as the file reaches, in pages; once the object is given up, as far as it reaches now.
  [[nodiscard]] PageIndex pages() const;
  [[nodiscard]] int file() const { return file_.get(); }
  // Read-only descriptor of the store, to be mapped privately by guests.
  [[nodiscard]] int reader() const { return reader_.get(); }
  // True when status describes the same contents as when the object was made.
  [[nodiscard]] bool matches(const struct stat& status) const;

  [[nodiscard]] bool resident(PageIndex page) const;
  // Resident here, or in the host's own cache of the file: it can be had without reading a disk.
  [[nodiscard]] bool cached(PageIndex page) const;
  [[nodiscard]] PageIndex resident_pages() const;
  [[nodiscard]] vm::PageSet resident_set() const;
  // The last page after `first` such that [first, last) is resident, at most `limit`.
  [[nodiscard]] PageIndex resident_until(PageIndex first, PageIndex limit) const;

  // Reads [first, last) into frames where absent; last <= pages(). Returns how many pages were read.
  // EAGAIN: NoWait and the host would have had to wait. EIO and others: the read failed.
  Result<PageIndex> ensure(PageIndex first, PageIndex last, Patience patience);
  // The page was touched by a guest.
  void note_touched(PageIndex page) {
    if (listener_) listener_->touched(page);
  }
  // What guests have needed of the file so far, so that the next one gets it at once: pages mapped around touches, pages of which
  // private copies were made, and zeros behind the end of such a mapping, numbered as if the file went on there. Asked for
  // [first, last): runs, `most` pages altogether; of pages to be mapped only those that are resident.
  void note_mapped(PageIndex first, PageIndex last);
  void note_copied(PageIndex first, PageIndex last);
  void note_cleared(PageIndex first, PageIndex last);
  using Runs = std::vector<std::pair<PageIndex, PageIndex>>;
  [[nodiscard]] Runs usually_mapped(PageIndex first, PageIndex last, PageIndex most) const;
  [[nodiscard]] Runs usually_copied(PageIndex first, PageIndex last, PageIndex most) const;
  [[nodiscard]] Runs usually_cleared(PageIndex first, PageIndex last, PageIndex most) const;
  // A fully owned file changes while it is mapped: until the lock is let go it does not. Empty for other files.
  // EAGAIN: NoWait, and it is being changed.
  [[nodiscard]] virtual Result<std::shared_lock<std::shared_mutex>> steady([[maybe_unused]] Patience patience) const {
    return std::shared_lock<std::shared_mutex>();
  }
  // Copies one page's contents, from its frame or else straight from the file; steady() held.
  Result<void> copy_page(PageIndex page, void* to, Patience patience);

  // Takes the frames of [first, last) away, out of all page tables; the next touch of such a page reads it again. Returns
  // those that went; the others were not there, or the file has not got their contents. Of a fully owned file steady() is
  // held.
  vm::PageSet evict(PageIndex first, PageIndex last);
  // Told of frames that come and go; set before there are any.
  void set_listener(std::shared_ptr<vm::FrameListener> listener) { listener_ = std::move(listener); }

  // True once somebody may write the file: no new mapping may use this object.
  [[nodiscard]] bool given_up() const { return given_up_; }
  void give_up() { given_up_ = true; }

 protected:
  // Pages whose newest contents are in their frames only.
  [[nodiscard]] virtual const vm::PageSet* unsaved() const { return nullptr; }

  UniqueFd file_;
  struct stat status_;
  std::atomic<Bytes> size_;
  std::shared_ptr<frame::Store> store_;
  // Held shared while pages are filled from the file, exclusively while the file and its frames are changed.
  // Taken before mutex_, and under Space::mutex only if that needs no waiting.
  mutable std::shared_mutex contents_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  vm::PageSet resident_, filling_, mapped_, copied_, cleared_;
  std::shared_ptr<vm::FrameListener> listener_;

 private:
  Result<Bytes> read_file(Bytes offset, void* to, Bytes length, Patience patience) const;

  UniqueFd reader_;
  std::atomic<std::uint64_t> evictions_{0};
  std::atomic<bool> given_up_{false};
};

}  // namespace pagefold::cache
