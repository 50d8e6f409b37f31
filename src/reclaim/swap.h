// Where the contents of pages go that have no frame. A backend stores whole pages, many at a time, and gives a slot for
// each; it is bounded and says ENOSPC when it is full. Slot 0 stands for a page of zeros, which costs nothing anywhere.
//
//   zram    compressed (LZ4) in the supervisor's memory     file    in a file, past the host's page cache
//   memory  as they are, in the supervisor's memory: what a run costs with it is the pager's own cost
//
// Synchronised: called by several threads at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "base/page.h"

namespace pagefold::reclaim {

using SwapSlot = std::uint64_t;
inline constexpr SwapSlot kZeroPage = 0;

// Pages stored and fetched, and the most that was held, in bytes of the medium.
struct SwapTraffic {
  std::uint64_t out = 0, in = 0;
  Bytes peak = 0;
};

class SwapBackend {
 public:
  virtual ~SwapBackend() = default;
  // Buffers of pages begin at a page boundary.
  // Stores as many pages as there are slots to fill, from the first on as far as there is room. How many; when not even one,
  // the reason. ENOSPC: full. EIO and others: the medium failed.
  virtual Result<std::size_t> put(const std::byte* pages, std::span<SwapSlot> slots) = 0;
  // Fetches the pages of these slots, one behind the other.
  virtual Result<void> get(std::span<const SwapSlot> slots, std::byte* to) = 0;
  virtual void drop(std::span<const SwapSlot> slots) = 0;
  // How many of these slots, the first one at least, are had by one access to the medium.
  [[nodiscard]] virtual std::size_t together(std::span<const SwapSlot> slots) const { return slots.size(); }
  // A page was refused for want of room, and none has been dropped since: the next would be refused as well.
  [[nodiscard]] bool full() const { return full_; }
  // Why it holds less than it was to hold, if it does.
  [[nodiscard]] virtual std::string trouble() const { return {}; }
  // Bytes of the medium in use.
  [[nodiscard]] virtual Bytes held() const = 0;
  [[nodiscard]] SwapTraffic traffic() const { return {out_, in_, peak_}; }

 protected:
  void count_out(std::size_t pages, Bytes held) {
    out_ += pages;
    Bytes before = peak_;
    while (held > before && !peak_.compare_exchange_weak(before, held)) {
    }
  }
  void count_in(std::size_t pages) { in_ += pages; }
  void set_full(bool full) { full_ = full; }

 private:
  std::atomic<std::uint64_t> out_{0}, in_{0};
  std::atomic<Bytes> peak_{0};
  std::atomic<bool> full_{false};
};

// What --swap says: zram[:SIZE], file:PATH[:SIZE], memory[:SIZE], none.
struct SwapSpec {
  enum class Kind { Zram, File, Memory, None };
  Kind kind = Kind::Zram;
  std::string path;
  Bytes size = 0;  // 0: the kind's own default

  [[nodiscard]] std::string name() const;
};
// EINVAL with what is wrong.
Result<SwapSpec> parse_swap(const std::string& text);
// A number of bytes, with K, M, G or T behind it. EINVAL.
Result<Bytes> parse_size(const std::string& text);

// Null for none.
Result<std::unique_ptr<SwapBackend>> make_swap(const SwapSpec& spec);
std::unique_ptr<SwapBackend> make_zram(Bytes size);
std::unique_ptr<SwapBackend> make_memory_swap(Bytes size);
Result<std::unique_ptr<SwapBackend>> make_swap_file(const std::string& path, Bytes size);

bool all_zeros(const std::byte* page);

}  // namespace pagefold::reclaim
