// The loader's memory. A bump allocator over a first block in .bss (a small program needs no mmap for it) and mapped
// blocks after that; freed pieces are kept in lists by size, so that a program that opens and closes libraries for ever
// does not grow. All of it happens with the load lock held, or before there is a second thread.
//
// Pieces are 16-byte aligned and zeroed. Running out of memory is a message and exit 127 at start-up, null afterwards.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pagefold::ld {

void* allocate(size_t size);
void release(void* piece, size_t size);
char* duplicate(const char* s);
char* duplicate(const char* s, size_t size);
void release_string(const char* s);

template <class T>
T* make_array(size_t count) {
  return static_cast<T*>(allocate(count * sizeof(T)));
}

// A growing array in the arena.
template <class T>
class List {
 public:
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + count_; }
  uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T& last() { return data_[count_ - 1]; }
  void clear() { count_ = 0; }
  void shrink(uint32_t count) { count_ = count; }

  void push(const T& value) {
    if (count_ == capacity_) grow();
    data_[count_++] = value;
  }
  bool has(const T& value) const {
    for (const T& item : *this)
      if (item == value) return true;
    return false;
  }
  void free() {
    release(data_, capacity_ * sizeof(T));
    data_ = nullptr;
    count_ = capacity_ = 0;
  }
  // The array itself, now the caller's (capacity in elements).
  T* take(uint32_t* capacity) {
    T* data = data_;
    *capacity = capacity_;
    data_ = nullptr;
    count_ = capacity_ = 0;
    return data;
  }

 private:
  void grow() {
    const uint32_t wanted = capacity_ == 0 ? 8 : capacity_ * 2;
    T* bigger = make_array<T>(wanted);
    for (uint32_t i = 0; i < count_; ++i) bigger[i] = data_[i];
    release(data_, capacity_ * sizeof(T));
    data_ = bigger;
    capacity_ = wanted;
  }

  T* data_ = nullptr;
  uint32_t count_ = 0, capacity_ = 0;
};

}  // namespace pagefold::ld
