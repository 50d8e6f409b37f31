// Who records what guests do to files is told of it here (pagefold crash). A watcher looks at the files themselves to see what
// has happened: it is called *before* a guest's call that may change files, wait for the disk or end a step, so that whatever
// the guests did until then, stores through shared mappings included, shows in the files.
//
// The functions may be called from several threads at once; the guest waits meanwhile.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/page.h"

namespace pagefold::event {

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

class FileWatch {
 public:
  struct Caller {
    pid_t process = 0, thread = 0;
    std::string place;  // of the call in the program: "libc.so.6+0x1f2a"; empty: unknown
  };
  // What a call is about to do to the bytes [offset, offset + length) of a file.
  struct Intent {
    enum class Kind {
      Other,     // to names, or to a file that only the host knows how to find
      Copy,      // to the contents of some file
      Map,       // guests may store into the file from now on
      Write, Truncate, Allocate
    } kind = Kind::Other;
    FileId file;
    Bytes offset = 0, length = 0;
    bool waits_for_disk = false;  // a write with O_SYNC, O_DSYNC and the like
  };
  enum class Scope { File, Data, Range, All };  // fsync, fdatasync, msync, sync

  virtual ~FileWatch() = default;
  virtual void about_to(const Caller& caller, const Intent& intent) = 0;
  // Makes the guest's call that waits for the disk: 0, or its errno. nullopt: the file is not watched, let the host do it.
  virtual std::optional<int> synchronise(const Caller& caller, Scope scope, FileId file, Bytes offset, Bytes length) = 0;
  // The guest is about to write this to the run's standard output.
  virtual void tells(const Caller& caller, std::string text) = 0;
};

}  // namespace pagefold::event
