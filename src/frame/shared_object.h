// Shared anonymous memory (MAP_SHARED | MAP_ANONYMOUS): frames in a store of their own, mapped by every process that
// inherits the mapping.
#pragma once

#include <sys/stat.h>

#include <memory>
#include <mutex>

#include "frame/store.h"
#include "vm/object.h"
#include "vm/page_set.h"

namespace pagefold::frame {

class SharedObject final : public vm::Object {
 public:
  // status: the store's; as natively, device and inode are those of a file on the kernel's own tmpfs.
  SharedObject(std::shared_ptr<Store> store, const struct stat& status)
      : Object(Kind::Shared, "/dev/zero (deleted)", status.st_dev, status.st_ino), store_(std::move(store)), frames_(store_) {}
  static Result<std::shared_ptr<SharedObject>> create(Bytes size) {
    auto store = PAGEFOLD_TRY(Store::create("pagefold-shared", size));
    struct stat status {};
    if (::fstat(store->fd(), &status) != 0) return fail_errno("shared memory");
    return std::make_shared<SharedObject>(std::move(store), status);
  }
  [[nodiscard]] const std::shared_ptr<Store>& store() const { return store_; }
  // Mappings that have grown (mremap) may reach beyond: touches there are SIGBUS.
  [[nodiscard]] PageIndex pages() const { return page_of(page_up(store_->size())); }
  // Contents are read and written through this: the store itself, or what stands before it.
  [[nodiscard]] vm::FrameSource& frames() const { return *frames_; }
  // Before the first page.
  void set_frames(std::shared_ptr<vm::FrameSource> frames) { frames_ = std::move(frames); }

  std::mutex mutex;      // protects resident and the contents; outermost but for Space::mutex
  vm::PageSet resident;  // pages that were filled

 private:
  std::shared_ptr<Store> store_;
  std::shared_ptr<vm::FrameSource> frames_;
};

}  // namespace pagefold::frame
