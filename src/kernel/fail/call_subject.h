// What a system call is about, as far as failures on demand speak of it (inject/spec.h): its place in the grammar, the file, the
// pages, the bytes. Found out before the call is made, with the arguments as they are.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "inject/spec.h"
#include "kernel/call.h"

namespace pagefold::kernel {

struct CallSubject {
  inject::Place place = inject::Place::Read;
  const char* name = "";
  std::string path;
  std::optional<Bytes> offset;
  Bytes length = 0;                // of a read, as far as the file reaches
  PageIndex first = 0, last = 0;   // pages of the file that it is about
  bool divisible = true, direct = false;  // direct: O_DIRECT, which transfers whole sectors
  Bytes held = 0;                  // Alloc: what the run would hold
};

// How a call's arguments say what it is about.
enum class Shape : std::uint8_t { Transfer, CopyFrom, CopyTo, File, Range, Path, PathAt, Msync, Mmap, Brk, Alloc, Plain };

// A call that is one event of a place; some are several. Those of one call come in the order in which they are asked for: what
// sendfile reads before what it writes, mmap before alloc.
struct CallRow {
  int number;
  const char* name;
  inject::Place place;
  Shape shape;
};
std::span<const CallRow> call_rows();

// False: this call is none that a failure speaks of.
bool look_at(const Call& call, Shape shape, CallSubject& subject);

}  // namespace pagefold::kernel
