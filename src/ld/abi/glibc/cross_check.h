// Start-up's second look at a table that the build-id chose: libc.so.6 exports descriptors of its structures for
// libthread_db
// (`_thread_db_pthread_tid` = {bits, elements, byte offset}). They lie close together in its read-only data, so one
// small pread of the file, before anything is mapped, can contradict the table; then the genuine loader takes over. An
// agreement proves little: the descriptors name some twenty of the layout's members.
#pragma once

#include "ld/abi/glibc/layout.h"

namespace pagefold::ld::glibc {

struct DescriptorRange {
  uint64_t offset;  // in the file libc.so.6
  uint64_t size;    // bytes; 0: this libc exports none
};

// A buffer of this size takes the range of every known build.
inline constexpr uint64_t kLargestDescriptorRange = 1024;

// The part of the file that `contradicted_descriptor` wants to see.
DescriptorRange descriptor_range(const Layout& layout);

// The name of the first member ("pthread.tid") whose descriptor differs from the table, or null. `bytes` are the file's
// at the range.
const char* contradicted_descriptor(const Layout& layout, std::span<const uint8_t> bytes);

}  // namespace pagefold::ld::glibc
