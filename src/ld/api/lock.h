// The load lock: glibc's recursive mutex in _rtld_global, taken with libc's own pthread_mutex_lock, because libc takes
// the same one (dlsym, dladdr, fork). Before libc is ready there is one thread and nothing to lock.
//
// Order: load lock, then write lock, then TLS lock; none is taken inside a lookup.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

// Finds the functions in libc. Called once, when libc is relocated.
void start_locking();

class LoadLock {
 public:
  LoadLock();
  ~LoadLock();
  LoadLock(const LoadLock&) = delete;
  LoadLock& operator=(const LoadLock&) = delete;
};

// Protects the list of modules against dl_iterate_phdr.
class WriteLock {
 public:
  WriteLock();
  ~WriteLock();
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;
};

// Protects TLS slots and static offsets.
class TlsLock {
 public:
  TlsLock();
  ~TlsLock();
  TlsLock(const TlsLock&) = delete;
  TlsLock& operator=(const TlsLock&) = delete;
};

}  // namespace pagefold::ld
