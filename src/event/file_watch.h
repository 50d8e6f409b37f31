// Who records what guests do to files is told of it here (pagefold crash). Files are fully owned in such a run
// (kernel/files/own_files.h).
//
//   calls   A watcher looks at the files themselves: it is called *before* a guest's call that may change files, wait
//   for the disk
//           or end a step, so that whatever other calls did until then shows in the host's files.
//   stores  through shared mappings are told page by page, each time the program goes on to another page
//   (kernel/files/store_order.h).
//
// The functions may be called from several threads at once; the guest waits meanwhile.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/page.h"
#include "event/code_place.h"

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
    std::shared_ptr<const CodeSnapshot> code;  // where it is; null: unknown
  };
  // What a call is about to do to the bytes [offset, offset + length) of a file.
  struct Intent {
    enum class Kind {
      Other,  // to names, or to the size of a file that only the host knows how to find
      Write,
      Truncate,
      Allocate
    } kind = Kind::Other;
    FileId file;
    Bytes offset = 0, length = 0;
    bool waits_for_disk = false;  // a write with O_SYNC, O_DSYNC and the like
    int mode = 0;                 // Allocate: that of fallocate(2)
  };
  enum class Scope { File, Data, Range, All };  // fsync, fdatasync, msync, sync
  // A page as it is after stores that were made between two moments of one clock; 0: nobody knows since when.
  struct Stored {
    FileId file;
    Bytes offset = 0;
    std::span<const std::byte> bytes;
    std::uint64_t opened = 0, closed = 0;
  };

  virtual ~FileWatch() = default;
  [[nodiscard]] virtual bool watches(FileId file) = 0;
  virtual void about_to(const Caller& caller, const Intent& intent) = 0;
  // A page has been stored to, and is protected again. Locks of the file's are held.
  virtual void stored(const Caller& caller, const Stored& page) = 0;
  // Makes the guest's call that waits for the disk by `wait`, which returns an errno or 0, and returns that. nullopt:
  // the file is not watched, and nothing has been done.
  virtual std::optional<int> synchronise(const Caller& caller, Scope scope, FileId file, Bytes offset, Bytes length,
                                         const std::function<int()>& wait) = 0;
  // The guest is about to write this to the run's standard output.
  virtual void tells(const Caller& caller, std::string text) = 0;
};

}  // namespace pagefold::event
