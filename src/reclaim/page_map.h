// A sparse array of small values by page index, packed: neighbours share a block, so a value costs little more than its own bytes
// where pages come in dozens. Not synchronised.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/page.h"

namespace pagefold::reclaim {

template <class Value>
class PageMap {
 public:
  // Null when the page has none.
  [[nodiscard]] const Value* find(PageIndex page) const {
    const auto it = blocks_.find(page / kBlock);
    return it != blocks_.end() && (it->second.used & bit(page)) != 0 ? &it->second.values[page % kBlock] : nullptr;
  }
  void set(PageIndex page, const Value& value) {
    Block& block = blocks_[page / kBlock];
    block.used = static_cast<Used>(block.used | bit(page));
    block.values[page % kBlock] = value;
  }
  void erase(PageIndex page) {
    const auto it = blocks_.find(page / kBlock);
    if (it == blocks_.end()) return;
    it->second.used = static_cast<Used>(it->second.used & ~bit(page));
    if (it->second.used == 0) blocks_.erase(it);
  }
  // Calls visit(value) for each, by ascending pages.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [number, block] : blocks_)
      for (PageIndex i = 0; i < kBlock; ++i)
        if ((block.used & bit(i)) != 0) visit(block.values[i]);
  }

 private:
  using Used = std::uint16_t;
  static constexpr PageIndex kBlock = 16;
  struct Block {
    std::array<Value, kBlock> values{};
    Used used = 0;
  };
  static constexpr unsigned bit(PageIndex page) { return 1U << page % kBlock; }

  std::map<PageIndex, Block> blocks_;  // none without a value
};

}  // namespace pagefold::reclaim
