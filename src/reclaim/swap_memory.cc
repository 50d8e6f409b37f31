// Swap in the supervisor's memory: compressed (zram) or as it is (memory). What is held counts with the allocator's
// overhead.
#include <lz4.h>
#include <malloc.h>

#include <array>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "reclaim/swap.h"

namespace pagefold::reclaim {
namespace {

enum class Packing { Compressed, AsItIs };

class MemorySwap final : public SwapBackend {
 public:
  MemorySwap(Packing packing, Bytes size) : packing_(packing), size_(size) {}

  Result<std::size_t> put(const std::byte* pages, std::span<SwapSlot> slots) override {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      auto slot = put_one(pages + bytes_of(i));
      if (slot) slots[i] = *slot;
      else if (i == 0) return tl::unexpected(slot.error());
      else return i;
    }
    return slots.size();
  }

  Result<void> get(std::span<const SwapSlot> slots, std::byte* to) override {
    count_in(slots.size());
    const std::shared_lock lock(mutex_);
    for (const SwapSlot slot : slots) {
      PAGEFOLD_CHECK(get_one(slot, to));
      to += kPageSize;
    }
    return {};
  }

  void drop(std::span<const SwapSlot> slots) override {
    const std::lock_guard lock(mutex_);
    for (const SwapSlot slot : slots) {
      const auto it = pages_.find(slot);
      if (it == pages_.end()) continue;
      held_ -= cost_of(it->second);
      pages_.erase(it);
      set_full(false);
    }
  }

  [[nodiscard]] Bytes held() const override {
    const std::shared_lock lock(mutex_);
    return held_;
  }

 private:
  struct Held {
    std::unique_ptr<std::byte[]> bytes;
    std::uint32_t length = 0;
  };
  static constexpr Bytes kOverhead = 64;  // the table's entry and the allocator's header

  static Bytes cost_of(const Held& held) { return ::malloc_usable_size(held.bytes.get()) + kOverhead; }

  Result<SwapSlot> put_one(const std::byte* page) {
    if (all_zeros(page)) {
      count_out(1, 0);
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
    const Bytes cost = cost_of(held);
    const std::lock_guard lock(mutex_);
    if (held_ + cost > size_) {
      set_full(true);
      return fail(ENOSPC, "swap");
    }
    held_ += cost;
    count_out(1, held_);
    const SwapSlot slot = next_++;
    pages_.emplace(slot, std::move(held));
    return slot;
  }

  // Shared lock held.
  Result<void> get_one(SwapSlot slot, std::byte* to) const {
    if (slot == kZeroPage) {
      std::memset(to, 0, kPageSize);
      return {};
    }
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

  static Bytes compress(const std::byte* page, std::byte* to) {
    constexpr int kWorthIt = static_cast<int>(kPageSize) * 7 / 8;
    const int n = LZ4_compress_default(reinterpret_cast<const char*>(page), reinterpret_cast<char*>(to),
                                       static_cast<int>(kPageSize), kWorthIt);
    return n > 0 ? static_cast<Bytes>(n) : 0;
  }

  const Packing packing_;
  const Bytes size_;
  mutable std::shared_mutex mutex_;  // contents are read by several at a time
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
