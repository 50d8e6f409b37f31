// Where a guest's thread was, as bytes: what can be known of it while it waits, to be made sense of after the run
// (report/code_place.h). Addresses are the guest's.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/page.h"

namespace pagefold::event {

struct CodeSnapshot {
  // A file mapped with the right to execute: address = start + (offset in the file - offset).
  struct Module {
    VirtRange range;
    Bytes offset = 0;
    std::string file;
  };
  VirtAddr instruction = 0, stack = 0;  // stack: what the first of stack_bytes lies at; 0: not known
  std::vector<std::byte> stack_bytes;
  std::vector<Module> modules;  // by address
};

}  // namespace pagefold::event
