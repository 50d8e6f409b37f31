// Where in a program a thread was: the innermost function on its stack that is not of the C library or the loader, with the line where
// debugging information is there. Stacks are unwound by libdw (elfutils) with each file's call frame information (.eh_frame), from
// what was kept of the thread (event/code_place.h); files are read as they are now.
#pragma once

#include <memory>
#include <string>

#include "event/code_place.h"

namespace pagefold::report {

struct RunSummary;

class PlaceFinder {
 public:
  PlaceFinder();
  ~PlaceFinder();
  // "put_record+0x1c (store), store.c:42". Without a symbol "store+0x11c9", an address of the file, and behind it the next
  // function up the stack that has a name, ", called from main+0x35 (store)". Empty: nothing is known.
  std::string find(const event::CodeSnapshot& code);

 private:
  class Files;
  std::unique_ptr<Files> files_;  // of the last snapshot: the next is often the same process
};

// Fills in HitLine::place.
void find_places(RunSummary& summary);

}  // namespace pagefold::report
