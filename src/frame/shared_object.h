// Shared anonymous memory (MAP_SHARED | MAP_ANONYMOUS): frames in a store of their own, mapped by every process that
// inherits the mapping.
#pragma once

#include <memory>
#include <mutex>

#include "frame/store.h"
#include "vm/object.h"
#include "vm/page_set.h"

namespace pagefold::frame {

class SharedObject final : public vm::Object {
 public:
  explicit SharedObject(std::shared_ptr<Store> store)
      : Object(Kind::Shared, "/dev/zero (deleted)", 0, 0), store_(std::move(store)), frames_(store_) {}
  static Result<std::shared_ptr<SharedObject>> create(Bytes size) {
    return std::make_shared<SharedObject>(PAGEFOLD_TRY(Store::create("pagefold-shared", size)));
  }
  [[nodiscard]] const std::shared_ptr<Store>& store() const { return store_; }
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
