// Pages whose frames a device may store into at any time, behind page tables and write protection: those that asynchronous reads of
// a guest are under way to. Their frames must not be exchanged, and what they hold is never known to equal anything else.
//
// Pages belong to a layer or to an object; a Pin holds on to it, wherever it is mapped by then. Thread-safe, innermost lock.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "base/page.h"

namespace pagefold::vm {

class Pinnable {
 public:
  virtual ~Pinnable() = default;
  [[nodiscard]] bool any_pinned() const { return pins_ > 0; }
  [[nodiscard]] bool pinned(PageIndex page) const {
    if (!any_pinned()) return false;
    const std::lock_guard lock(pins_mutex_);
    for (const auto& [first, last] : ranges_)
      if (page >= first && page < last) return true;
    return false;
  }

 protected:
  // The device is done with [first, last), which is still pinned.
  virtual void about_to_unpin([[maybe_unused]] PageIndex first, [[maybe_unused]] PageIndex last) {}

 private:
  friend class Pin;
  using Ranges = std::list<std::pair<PageIndex, PageIndex>>;
  mutable std::mutex pins_mutex_;
  Ranges ranges_;
  std::atomic<std::size_t> pins_{0};
};

class Pin {
 public:
  Pin(std::shared_ptr<Pinnable> of, PageIndex first, PageIndex last) : of_(std::move(of)) {
    const std::lock_guard lock(of_->pins_mutex_);
    at_ = of_->ranges_.insert(of_->ranges_.end(), {first, last});
    ++of_->pins_;
  }
  ~Pin() {
    if (!of_) return;
    of_->about_to_unpin(at_->first, at_->second);
    const std::lock_guard lock(of_->pins_mutex_);
    of_->ranges_.erase(at_);
    --of_->pins_;
  }
  Pin(Pin&&) = default;
  Pin& operator=(Pin&&) = delete;

 private:
  std::shared_ptr<Pinnable> of_;
  Pinnable::Ranges::iterator at_;
};

}  // namespace pagefold::vm
