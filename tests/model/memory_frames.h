// Frames in ordinary memory: what src/frame does with memfds, for tests of the model. Writes can be made to fail.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>

#include "vm/frame_source.h"

namespace pagefold::vm {

class MemoryFrames final : public FrameSource {
 public:
  // *budget counts down with each write; when it is 0, one write fails. Negative: none does.
  explicit MemoryFrames(int* budget = nullptr) : budget_(budget) {}

  Result<void> read(Bytes offset, void* to, Bytes length) const override {
    auto* at = static_cast<std::byte*>(to);
    while (length > 0) {
      const Bytes within = offset & kPageMask, n = std::min(length, kPageSize - within);
      const auto it = pages_.find(page_of(offset));
      if (it == pages_.end())
        std::memset(at, 0, n);
      else
        std::memcpy(at, it->second.data() + within, n);
      at += n, offset += n, length -= n;
    }
    return {};
  }
  Result<void> write(Bytes offset, const void* from, Bytes length) override {
    if (budget_ != nullptr && (*budget_)-- == 0) return fail(ENOMEM);
    const auto* at = static_cast<const std::byte*>(from);
    while (length > 0) {
      const Bytes within = offset & kPageMask, n = std::min(length, kPageSize - within);
      std::memcpy(pages_[page_of(offset)].data() + within, at, n);
      at += n, offset += n, length -= n;
    }
    return {};
  }
  Result<void> release(Bytes offset, Bytes length) override {
    pages_.erase(pages_.lower_bound(page_of(offset)), pages_.lower_bound(page_of(offset + length)));
    return {};
  }
  [[nodiscard]] std::size_t count() const { return pages_.size(); }
  [[nodiscard]] bool has(PageIndex page) const { return pages_.contains(page); }

 private:
  std::map<PageIndex, std::array<std::byte, kPageSize>> pages_;
  int* budget_;
};

}  // namespace pagefold::vm
