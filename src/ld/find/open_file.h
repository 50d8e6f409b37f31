// A candidate file: opened, its first bytes read with one call, and looked at just enough to say whether it is the kind
// of object that is wanted. Nothing is mapped. The descriptor belongs to the OpenFile until `close`.
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"
#include "ld/base/status.h"
#include "ld/base/sys.h"

namespace pagefold::ld {

struct OpenFile {
  static constexpr uint64_t kHead = 1024;  // the program headers of nearly all libraries lie within

  int64_t fd = -1;
  int64_t error = 0;         // why it could not be opened (errno)
  bool other_class = false;  // there was one, but for 32-bit programs
  uint64_t head_size = 0;
  elf::Table<Elf64_Phdr> segments;
  bool segments_allocated = false;
  bool stat_known = false;
  sys::Stat stat;
  alignas(8) char head[kHead];

  bool is_open() const { return fd >= 0; }
  const Elf64_Ehdr& header() const { return *reinterpret_cast<const Elf64_Ehdr*>(head); }
  elf::Bytes bytes() const { return elf::Bytes(head, head_size); }
  void close();
};

// Opens `path`. On return the file is open, or it is not and `error`/`other_class` say why a search may go on; a
// Failure means that the file is there but broken, which ends a search (glibc's rule).
Status open_object(const char* path, OpenFile& file);

// Hands a file that start-up opened (and left open) to the first `open_object` of the same path.
void keep_open(OpenFile& file, const char* path);
void close_kept();

// The size and identity, asked at most once.
Status know_identity(OpenFile& file, const char* path);

}  // namespace pagefold::ld
