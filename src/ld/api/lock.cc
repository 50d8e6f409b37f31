#include "ld/api/lock.h"

#include "ld/module/module.h"
#include "ld/module/published.h"
#include "ld/resolve/lookup.h"

namespace pagefold::ld {
namespace {

using MutexCall = int (*)(void*);
MutexCall lock_mutex = nullptr, unlock_mutex = nullptr;

void* mutex_at(uint32_t offset) { return static_cast<char*>(published::rtld_global()) + offset; }

void lock(uint32_t offset) {
  if (lock_mutex != nullptr) lock_mutex(mutex_at(offset));
}

void unlock(uint32_t offset) {
  if (unlock_mutex != nullptr) unlock_mutex(mutex_at(offset));
}

}  // namespace

void start_locking() {
  if (world.libc == nullptr) return;
  const Found found_lock = look_up_in(*world.libc, "pthread_mutex_lock", "GLIBC_2.2.5");
  const Found found_unlock = look_up_in(*world.libc, "pthread_mutex_unlock", "GLIBC_2.2.5");
  if (!found_lock.is_defined() || !found_unlock.is_defined()) return;
  lock_mutex = reinterpret_cast<MutexCall>(found_lock.address());
  unlock_mutex = reinterpret_cast<MutexCall>(found_unlock.address());
}

LoadLock::LoadLock() { lock(world.layout->rtld_global.dl_load_lock); }
LoadLock::~LoadLock() { unlock(world.layout->rtld_global.dl_load_lock); }
TlsLock::TlsLock() { lock(world.layout->rtld_global.dl_load_tls_lock); }
TlsLock::~TlsLock() { unlock(world.layout->rtld_global.dl_load_tls_lock); }
WriteLock::WriteLock() { lock(world.layout->rtld_global.dl_load_write_lock); }
WriteLock::~WriteLock() { unlock(world.layout->rtld_global.dl_load_write_lock); }

}  // namespace pagefold::ld
