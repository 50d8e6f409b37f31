// A fully owned file (`pagefold run --own-files`): guests may write it, and its frames are shown by every mapping,
// writable shared ones included. Two kinds of change, and one rule each:
//
//   * What a guest writes by a system call goes to the host's file at once and into the frames that are there
//   (wrote()).
//   * What a guest stores through a mapping is in the frame only: the page is *dirty* until it is written back.
//
// So the frames are always the newest contents, a clean page equals the file, and a call that reads the file needs the
// dirty pages of its range written back first. Changes hold contents() exclusively. Dirty pages are known by write
// protection: a clean page is mapped read-only by userfaultfd, the first store faults and calls mark_dirty().
// Write-back has three phases: clear the dirty marks and protect again (a store from now on marks anew), write, and on
// failure mark again what failed. A page that a device may be storing into (vm/pinned.h) stays dirty until it has been written after
// that. What was written is the host's to bring to the disk; until it has done so on demand,
// the pages are *unsynced*, and dirty again if it fails.
//
// Changes by processes outside the run are noticed at the next map of the file, by its times. What they are after a change of our
// own is not asked: that would make every change slower (base/file_status.h). A file that was changed by us since it was
// looked at may have been changed by others as well.
#pragma once

#include <string>

#include "base/rights.h"
#include "cache/file_object.h"
#include "cache/frame_writer.h"

namespace pagefold::cache {

class FullFile final : public FileObject {
 public:
  // A descriptor open for writing, of a guest that maps the file through it, and that guest's rights: kept as long as
  // such mappings are (so that the file is busy as long as on Linux), and as long as pages are dirty.
  struct Writing {
    UniqueFd fd;
    std::optional<Rights> rights;
  };
  using Writer = std::shared_ptr<const Writing>;

  static Result<std::shared_ptr<FullFile>> create(UniqueFd file, const struct stat& status, std::string name);
  using FileObject::FileObject;
  ~FullFile() override;

  [[nodiscard]] std::shared_mutex& contents() const { return contents_; }
  // The frames for guests that may store into them.
  [[nodiscard]] int frames() const { return store_->fd(); }

  // The writer to map through: the one in use, or `writable` from now on.
  Writer keep(Writing writable);
  // True, and the writer is let go, when no mapping keeps it and no page is dirty.
  bool let_go();
  // Null unless a mapping keeps it, or did when pages became dirty.
  [[nodiscard]] Writer writer() const;

  // Files of this process that have dirty pages now, or pages that are being written back.
  static int dirty_files() { return dirty_files_; }
  // NoFrame: the page has none (any more). Followed: mirrors of it must be dropped first (OwnFiles::expel).
  enum class Mark { Done, NoFrame, Followed };
  [[nodiscard]] Mark mark_dirty(PageIndex page);
  // Private mappings show the file until they are stored into. They hold copies (vm::Layer::mirrors()), so a page is
  // either dirty, or followed by mirrors, never both. follow: a mirror is about to be made, steady() held; false: the
  // page is dirty.
  [[nodiscard]] bool follow(PageIndex page);
  [[nodiscard]] bool any_followed(PageIndex first, PageIndex last) const;
  // No mirror is left; contents() held.
  void unfollow(PageIndex first, PageIndex last);
  [[nodiscard]] Result<std::shared_lock<std::shared_mutex>> steady(Patience patience) const override;
  // A store into frames that are there and marked.
  Result<void> store_bytes(Bytes offset, const void* from, Bytes length) { return store_->write(offset, from, length); }
  // A page's frame, which must be there.
  Result<void> read_frame(PageIndex page, void* to) const { return store_->read(bytes_of(page), to, kPageSize); }
  [[nodiscard]] bool is_dirty(PageIndex page) const;
  // Or being written back: who must see the file waits for contents() then.
  [[nodiscard]] bool any_dirty(PageIndex first, PageIndex last) const;
  [[nodiscard]] PageIndex dirty_pages() const;

  // Write-back, with contents() held. take_dirty: the dirty pages of [first, last), where a store from then on counts
  // anew; the caller protects them everywhere. write: their frames go to the file, and are clean; what could not be
  // written is dirty again (EIO, ENOSPC ...).
  vm::PageSet take_dirty(PageIndex first, PageIndex last);
  Result<void> write(const vm::PageSet& pages, Hurry hurry = Hurry::No);
  // Pages that were taken and not written are dirty again, as far as they have frames.
  void put_back(const vm::PageSet& pages);
  // What was written since it was last asked for, whether the host has brought it to the disk or not. Who asks holds
  // syncing() until the host has been told to, so that one failure concerns one set.
  vm::PageSet take_unsynced();
  [[nodiscard]] std::mutex& syncing() const { return syncing_; }
  // An error of a write-back that nobody waited for, told once.
  void keep_error(int error) { error_ = error; }
  int take_error() { return error_.exchange(0); }

  // Changes, with contents() held; all return how many frames went. wrote: the file's [offset, offset + length) has
  // just been given these bytes. changed: the file has just been changed from page `first` on by other means. resize:
  // to its new size.
  PageIndex wrote(Bytes offset, const void* from, Bytes length);
  PageIndex changed(PageIndex first, PageIndex last);
  PageIndex resize();
  // Somebody outside the run may have changed the file since its clean frames were filled.
  [[nodiscard]] bool may_be_outdated() const;
  // The file is looked at again, and its clean frames are dropped.
  PageIndex start_anew();
  // Clean frames are dropped, so that every touch has to wait for contents().
  PageIndex drop(PageIndex first, PageIndex last);

 private:
  [[nodiscard]] const vm::PageSet* unsaved() const override { return &dirty_; }
  void about_to_unpin(PageIndex first, PageIndex last) override;
  void keep_pinned_dirty(PageIndex first, PageIndex last);
  void tell_gone(const vm::PageSet& pages) const;
  PageIndex set_size(Bytes size);
  void mark_again(PageIndex first, PageIndex last);
  // Changes dirty_ and writing_, and counts the file if it has got some thereby, or not any more. mutex_ held.
  template <class Change>
  void change_dirty(Change&& change) {
    const bool before = !dirty_.empty() || !writing_.empty();
    change();
    const bool after = !dirty_.empty() || !writing_.empty();
    dirty_files_ += static_cast<int>(after) - static_cast<int>(before);
  }

  static inline std::atomic<int> dirty_files_{0};
  Writer writer_;                 // under mutex_
  // Under mutex_. A page that is stored into while it is written back is dirty and being written, or unsynced.
  vm::PageSet dirty_, writing_, followed_, unsynced_;
  mutable std::mutex syncing_;  // outside contents()
  std::atomic<int> error_{0};
  std::atomic<bool> times_known_{true};  // nobody of the run has changed the file since status_ was taken
};

}  // namespace pagefold::cache
