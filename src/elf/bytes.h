// Memory that came from a file, read only through questions that can be answered "no". A `Bytes` is a stretch of it;
// every offset and count that the file itself supplies goes through `at`, `table` or `string`, which refuse what does
// not lie inside. No I/O, no allocation, no libc: the same code serves the supervisor and the loader.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pagefold::elf {

// `count` elements of T in a row.
template <class T>
struct Table {
  const T* data = nullptr;
  uint64_t count = 0;

  const T* begin() const { return data; }
  const T* end() const { return data + count; }
  bool empty() const { return count == 0; }
  const T& operator[](uint64_t i) const { return data[i]; }
};

class Bytes {
 public:
  constexpr Bytes() = default;
  constexpr Bytes(const void* data, uint64_t size) : data_(static_cast<const char*>(data)), size_(size) {}

  const char* data() const { return data_; }
  uint64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool holds(uint64_t offset, uint64_t length) const { return offset <= size_ && length <= size_ - offset; }

  // The T at `offset` (bytes), or null: outside, or not aligned for a T.
  template <class T>
  const T* at(uint64_t offset) const {
    if (!holds(offset, sizeof(T))) return nullptr;
    return aligned<T>(data_ + offset);
  }

  // `count` elements from `offset`; data is null if not all of them lie inside.
  template <class T>
  Table<T> table(uint64_t offset, uint64_t count) const {
    if (offset > size_ || count > (size_ - offset) / sizeof(T)) return {};
    const T* first = aligned<T>(data_ + offset);
    return first == nullptr ? Table<T>{} : Table<T>{first, count};
  }

  // The string at `offset`, or null if no terminating zero follows inside.
  const char* string(uint64_t offset) const {
    for (uint64_t i = offset; i < size_; ++i) {
      if (data_[i] == '\0') return data_ + offset;
    }
    return nullptr;
  }

  // What follows `offset`; empty when nothing does.
  Bytes from(uint64_t offset) const { return offset < size_ ? Bytes(data_ + offset, size_ - offset) : Bytes(); }

 private:
  template <class T>
  static const T* aligned(const char* p) {
    return reinterpret_cast<uintptr_t>(p) % alignof(T) == 0 ? reinterpret_cast<const T*>(p) : nullptr;
  }

  const char* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace pagefold::elf
