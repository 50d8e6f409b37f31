// Reads that the supervisor makes in a guest's place, through the guest's own open file description: into memory of its own first,
// then into the guest's. Two kinds of calls need it: reads that are to end early (failures on demand), since the guest's call cannot
// be changed; and direct reads into memory that may be evicted or written back meanwhile.
//
// A direct read (O_DIRECT) of the guest's own would look up the page frames, and the device would store into them at its leisure,
// unseen by page tables and write protection: a frame could be on its way to the swap by then, or be clean again.
#pragma once

#include "kernel/call.h"

namespace pagefold::kernel {

// The call is a read, pread64, readv, preadv or preadv2 of a file that is to end after Call::most bytes. Answers it.
void read_in_part(const Call& call);

// A device stores into the memory of who reads this file; or its file system does, when it likes.
bool is_direct(int fd);
// The supervisor may take the mapping's pages away, or write them back.
bool is_pagefolds(const vm::Vma& v);
// Answers such a call and returns true, if the host would store into memory behind the page tables that is Pagefold's.
bool read_directly(const Call& call);

}  // namespace pagefold::kernel
