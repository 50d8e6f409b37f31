// Swap in the supervisor's memory: compressed (zram) or as it is (memory). What is held counts with the allocator's
// overhead.
#include <lz4.h>
#include <malloc.h>

#include <array>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "reclaim/swap.h"

namespace pagefold::reclaim {
namespace {

enum class Packing { Compressed, AsItIs };

class MemorySwap final : public SwapBackend {
 public:
  MemorySwap(Packing packing, Bytes size) : packing_(packing), size_(size) {}

  Result<SwapSlot> put(const std::byte* page) override {
    if (all_zeros(page)) {
      count_out(0);
      return kZeroPage;
    }
    std::array<std::byte, kPageSize> packed;
    Bytes length = packing_ == Packing::Compressed ? compress(page, packed.data()) : 0;
    const std::byte* from = packed.data();
    if (length == 0) {  // does not get smaller
      length = kPageSize;
      from = page;
    }
    Held held{std::make_unique_for_overwrite<std::byte[]>(length), static_cast<std::uint32_t>(length)};
    std::memcpy(held.bytes.get(), from, length);
    const Bytes cost = ::malloc_usable_size(held.bytes.get()) + kOverhead;
    const std::lock_guard lock(mutex_);
    if (held_ + cost > size_) {
      set_full(true);
      return fail(ENOSPC, "swap");
    }
    held_ += cost;
    count_out(held_);
    const SwapSlot slot = next_++;
    pages_.emplace(slot, std::move(held));
    return slot;
  }

  Result<void> get(SwapSlot slot, std::byte* to) override {
    count_in();
    if (slot == kZeroPage) {
      std::memset(to, 0, kPageSize);
      return {};
    }
    const std::lock_guard lock(mutex_);
    const auto it = pages_.find(slot);
    if (it == pages_.end()) return fail(EIO, "swap slot");
    const Held& held = it->second;
    if (held.length == kPageSize) {
      std::memcpy(to, held.bytes.get(), kPageSize);
      return {};
    }
    const int n = LZ4_decompress_safe(reinterpret_cast<const char*>(held.bytes.get()), reinterpret_cast<char*>(to),
                                      static_cast<int>(held.length), static_cast<int>(kPageSize));
    return n == static_cast<int>(kPageSize) ? Result<void>{} : fail(EIO, "swap: a compressed page is damaged");
  }

  void drop(SwapSlot slot) override {
    const std::lock_guard lock(mutex_);
    const auto it = pages_.find(slot);
    if (it == pages_.end()) return;
    held_ -= ::malloc_usable_size(it->second.bytes.get()) + kOverhead;
    pages_.erase(it);
    set_full(false);
  }

  [[nodiscard]] Bytes held() const override {
    const std::lock_guard lock(mutex_);
    return held_;
  }

 private:
  struct Held {
    std::unique_ptr<std::byte[]> bytes;
    std::uint32_t length = 0;
  };
  static constexpr Bytes kOverhead = 64;  // the table's entry and the allocator's header

  static Bytes compress(const std::byte* page, std::byte* to) {
    constexpr int kWorthIt = static_cast<int>(kPageSize) * 7 / 8;
    const int n = LZ4_compress_default(reinterpret_cast<const char*>(page), reinterpret_cast<char*>(to),
                                       static_cast<int>(kPageSize), kWorthIt);
    return n > 0 ? static_cast<Bytes>(n) : 0;
  }

  const Packing packing_;
  const Bytes size_;
  mutable std::mutex mutex_;
  std::unordered_map<SwapSlot, Held> pages_;
  Bytes held_ = 0;
  SwapSlot next_ = 1;
};

}  // namespace

std::unique_ptr<SwapBackend> make_zram(Bytes size) { return std::make_unique<MemorySwap>(Packing::Compressed, size); }
std::unique_ptr<SwapBackend> make_memory_swap(Bytes size) {
  return std::make_unique<MemorySwap>(Packing::AsItIs, size);
}

}  // namespace pagefold::reclaim
