// Reading and writing a guest's memory through the model and its frames, never through the guest's page tables: a read of an
// unpopulated page there (process_vm_readv) would wait for the supervisor, that is for itself.
// Space::mutex must not be held. EFAULT as the kernel's copy_from_user would say it.
#pragma once

#include <string>

#include "kernel/space.h"

namespace pagefold::kernel {

Result<void> read_guest(Space& space, VirtAddr address, void* to, Bytes length);
Result<void> write_guest(Space& space, VirtAddr address, const void* from, Bytes length);
// A string that ends within `most` bytes; ENAMETOOLONG otherwise.
Result<std::string> read_guest_string(Space& space, VirtAddr address, Bytes most);

}  // namespace pagefold::kernel
