#include "ld/tls/libc_memory.h"

#include "elf/hash.h"
#include "ld/resolve/lookup.h"

namespace pagefold::ld {
namespace {

void* (*program_malloc)(size_t) = nullptr;
void* (*program_calloc)(size_t, size_t) = nullptr;
void (*program_free)(void*) = nullptr;

template <class F>
void find_function(const char* name, F*& function) {
  const Version version{"GLIBC_2.2.5", elf::sysv_hash("GLIBC_2.2.5"), 0, nullptr};
  const Wanted wanted{name, elf::gnu_hash(name), &version, nullptr, nullptr, 0, 0};
  Found found;
  const Status failure = look_up(wanted, world.main, world.main->scope, nullptr, found);
  forget(failure);
  if (found.is_defined()) function = reinterpret_cast<F*>(found.address());
}

}  // namespace

void start_libc_memory() {
  if (world.libc == nullptr) return;
  find_function("calloc", program_calloc);
  find_function("free", program_free);
  find_function("malloc", program_malloc);
}

bool has_libc_memory() { return program_malloc != nullptr && program_calloc != nullptr && program_free != nullptr; }

void* libc_malloc(size_t size) { return has_libc_memory() ? program_malloc(size) : allocate(size); }
void* libc_calloc(size_t count, size_t size) {
  return has_libc_memory() ? program_calloc(count, size) : allocate(count * size);
}
void libc_free(void* piece) {
  if (piece != nullptr && has_libc_memory()) program_free(piece);
}

}  // namespace pagefold::ld
