// Which writes give a page of a file a block that it did not have, as ext4 does it. Pages that a file had before the run count as
// having blocks, holes included: a write to one of them is then freer than it really is.
#pragma once

#include <vector>

#include "crash/history.h"

namespace pagefold::crash {

struct Allocations {
  // By atom, of data only: the page is new to its file, and has its block when it is written back ...
  std::vector<bool> allocates;
  // ... or, if fallocate has reserved the block before, not even that is delayed.
  std::vector<bool> delayed;
};

Allocations allocations_of(const History& history);

}  // namespace pagefold::crash
