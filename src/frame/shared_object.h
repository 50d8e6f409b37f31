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
      : Object(Kind::Shared, "/dev/zero (deleted)", 0, 0), store_(std::move(store)) {}
  static Result<std::shared_ptr<SharedObject>> create(Bytes size) {
    return std::make_shared<SharedObject>(PAGEFOLD_TRY(Store::create("pagefold-shared", size)));
  }
  [[nodiscard]] Store& store() const { return *store_; }

  std::mutex mutex;      // protects resident; outermost but for Space::mutex
  vm::PageSet resident;  // pages that have a frame

 private:
  std::shared_ptr<Store> store_;
};

}  // namespace pagefold::frame
