// What Linux has as one mapping may be several Vmas here: pieces that differ only in their part of the layer, or in the object
// that has the file's pages (a rename makes it another). mremap(2) goes by Linux's. Whether Linux has joined mappings that were
// made by different calls is not known: they count as joined. Space::mutex held.
#pragma once

#include <vector>

#include "kernel/space.h"

namespace pagefold::kernel {

using Pieces = std::vector<vm::Vma>;

// The mappings of r, each in its pieces, clipped to r.
std::vector<Pieces> mappings_of(const Space& space, VirtRange r);
// From end to end, the mapping that has something at `at`; empty if there is none.
VirtRange whole_mapping(const Space& space, VirtAddr at);

// mremap(2) of a range of several mappings moves this one with the others. The host is asked: since Linux 6.17, and depending on
// the file system.
bool moves_with_others(const vm::Vma& v);

}  // namespace pagefold::kernel
