// How many frames there may be. Whoever is going to fill frames reserves them first; a frame that comes is then taken
// from its thread's reservation, so that frames and reservations together never exceed the limit. A frame that nobody
// reserved is counted all the same, as overdrawn; tests want none.
//
// Pages, not bytes. Lock-free.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "base/page.h"

namespace pagefold::reclaim {

class Reservation;

class MemoryLimit {
 public:
  explicit MemoryLimit(PageIndex most) : most_(most) {}

  [[nodiscard]] PageIndex most() const { return most_; }
  [[nodiscard]] PageIndex used() const { return used_; }
  [[nodiscard]] PageIndex peak() const { return peak_; }
  [[nodiscard]] PageIndex overdrawn() const { return overdrawn_; }
  // Neither used nor reserved.
  [[nodiscard]] PageIndex free() const {
    const PageIndex taken = taken_;
    return taken < most_ ? most_ - taken : 0;
  }

  // Frames there are and frames promised; more than most() only by what is overdrawn.
  [[nodiscard]] PageIndex taken() const { return taken_; }
  // All of them or none.
  bool take(PageIndex pages) {
    PageIndex taken = taken_;
    do {
      if (taken + pages > most_) return false;
    } while (!taken_.compare_exchange_weak(taken, taken + pages));
    return true;
  }
  void give_back(PageIndex pages) { taken_ -= pages; }

  // Frames have come, or are gone again.
  void came(PageIndex pages);
  void gone(PageIndex pages) {
    used_ -= pages;
    taken_ -= pages;
  }

 private:
  const PageIndex most_;
  std::atomic<PageIndex> taken_{0}, used_{0}, peak_{0}, overdrawn_{0};
};

// Frames that the thread which made it may fill. One at a time; what is left goes back at its end.
class Reservation {
 public:
  Reservation() = default;
  Reservation(MemoryLimit& limit, PageIndex pages)
      : limit_(&limit), left_(pages), outer_(std::exchange(current(), this)) {}
  ~Reservation() {
    if (limit_ == nullptr) return;
    current() = outer_;
    if (left_ > 0) limit_->give_back(left_);
  }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  [[nodiscard]] PageIndex left() const { return left_; }
  static Reservation*& current() {
    thread_local Reservation* of_this_thread = nullptr;
    return of_this_thread;
  }

 private:
  friend class MemoryLimit;
  MemoryLimit* limit_ = nullptr;
  PageIndex left_ = 0;
  Reservation* outer_ = nullptr;
};

inline void MemoryLimit::came(PageIndex pages) {
  Reservation* reservation = Reservation::current();
  const PageIndex reserved =
      reservation != nullptr && reservation->limit_ == this ? std::min(pages, reservation->left_) : 0;
  if (reserved > 0) reservation->left_ -= reserved;
  if (pages > reserved) {
    taken_ += pages - reserved;
    overdrawn_ += pages - reserved;
  }
  const PageIndex now = used_ += pages;
  PageIndex before = peak_;
  while (now > before && !peak_.compare_exchange_weak(before, now)) {
  }
}

}  // namespace pagefold::reclaim
