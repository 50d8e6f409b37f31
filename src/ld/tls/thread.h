// The running thread, and the locks it shares with libc.
#pragma once

#include <stdint.h>

#include "ld/base/sys.h"

namespace pagefold::ld {

// glibc's struct pthread begins with its thread control block, which %fs points to.
inline char* thread_pointer() {
  char* pointer;
  asm("mov %%fs:0x10, %0" : "=r"(pointer));  // tcbhead_t.self: psABI and glibc, all versions
  return pointer;
}

// glibc's low-level lock (lll_lock): 0 free, 1 held, 2 held and waited for. Used for lists that libc locks the same
// way.
class LowLevelLock {
 public:
  explicit LowLevelLock(int* word) : word_(word) {
    int expected = 0;
    if (__atomic_compare_exchange_n(word_, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
    while (__atomic_exchange_n(word_, 2, __ATOMIC_ACQUIRE) != 0) sys::call(__NR_futex, sys::word(word_), 128, 2, 0);
  }
  ~LowLevelLock() {
    if (__atomic_exchange_n(word_, 0, __ATOMIC_RELEASE) == 2) sys::call(__NR_futex, sys::word(word_), 129, 1);
  }
  LowLevelLock(const LowLevelLock&) = delete;
  LowLevelLock& operator=(const LowLevelLock&) = delete;

 private:
  int* word_;
};

}  // namespace pagefold::ld
