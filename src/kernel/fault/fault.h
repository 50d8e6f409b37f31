// The life of a page fault: classify -> find the page -> obtain it (clear, read, copy) -> install it, and some around
// it -> record cause and cost.
#pragma once

#include <linux/userfaultfd.h>

#include "kernel/supervisor.h"

namespace pagefold::kernel {

struct Fault {
  VirtAddr address = 0;  // of the page
  bool write = false;
  bool guarded = false;  // a store to a write-protected page, else a page that is not mapped
  pid_t thread = 0;      // that touched it, as its own pid namespace numbers it; 0: nobody did, the page is wanted
};

enum class Patience { NoWait, Wait };
enum class Served { Yes, Later };  // Later: only with NoWait; nothing has been done

Fault decode(const uffd_msg& message);
Served serve_fault(Supervisor& supervisor, Space& space, const Fault& fault, Patience patience);

// The same for a page of `asked`, which the program wants filled; as much of it as one step can is filled along with
// the page, and nothing else. Returns how far.
VirtAddr fill_asked(Supervisor& supervisor, Space& space, const Fault& fault, VirtRange asked);

// A program is about to start: what earlier guests needed of its files is put in, as at a first touch. Space::mutex held.
void put_in_history(Supervisor& supervisor, Space& space);

// Why pages are wanted before they are touched. Lock: private writable ones are wanted for writing (mm/gup.c, mlock).
// Restore: only those that were evicted.
enum class Purpose { Read, Write, Lock, Restore };

// Fills r as if it had been touched, and nothing beyond it (MAP_POPULATE, mlock, MADV_POPULATE_*). Stops at the first
// page that cannot be filled: ENOMEM, nothing is mapped there; EINVAL, its protection forbids it; EFAULT, its file ends
// before. Parts that the host maps are passed over. Must not hold Space::mutex.
Result<void> populate(Supervisor& supervisor, Space& space, VirtRange r, Purpose purpose);

// Tells the frame accounting how many pages the space holds now. Space::mutex held.
void account(Space& space);

}  // namespace pagefold::kernel
