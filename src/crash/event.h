// What is known of a run's files: events in the order in which they took effect. The events before Begin build the
// files as they were; everything before Begin has long been on the disk.
//
// Files and directories have numbers of their own (FileNumber), because names change and inode numbers are used again.
// The root of the recorded directory is number 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/page.h"

namespace pagefold::crash {

using FileNumber = std::uint32_t;
inline constexpr FileNumber kNoFile = 0, kRoot = 1;
// The place of an event in its log.
using Position = std::size_t;
inline constexpr Position kNever = ~Position{0};

enum class EventKind : std::uint8_t {
  Begin,      // the program starts
  Create,     // a new file, directory or symbolic link `file` of `type`, under `name` in `directory`
  Link,       // one more name
  Unlink,     // a name goes (unlink, rmdir)
  Rename,     // from `name` in `directory` to `to_name` in `to_directory`, replacing what was there
  Store,      // a page of a shared mapping has been stored to
  Write,      // write(2) and its relatives
  Truncate,   // truncate(2), ftruncate(2), O_TRUNC
  Allocate,   // fallocate(2) in `mode`: blocks are reserved, become holes or zeros, or are taken out or put in
  Sync,       // fsync(2) of `file`, which may be a directory, has returned
  SyncData,   // fdatasync(2)
  SyncRange,  // msync(2) with MS_SYNC: bytes [offset, offset + length)
  SyncAll,    // sync(2), syncfs(2)
  Output,     // the program has told something (its standard output): `text`
  Place,      // only in the file of a log, at its end: what events with this `code` have as their place is `text`
};
inline constexpr std::size_t kEventKinds = 15;

constexpr bool synchronises(EventKind kind) { return kind >= EventKind::Sync && kind <= EventKind::SyncAll; }

enum class FileType : std::uint8_t { Regular, Directory, Link };

// Bytes that an event has put into a file: `bytes`, or `zeros` zero bytes. They belong to the log.
struct Piece {
  Bytes offset = 0;
  std::span<const std::byte> bytes;
  Bytes zeros = 0;
};

struct Event {
  EventKind kind = EventKind::Begin;
  FileNumber file = kNoFile;
  // What was asked for, for those who read it: bytes [offset, offset + length).
  Bytes offset = 0, length = 0;
  // The file's size afterwards, where the event has changed it.
  static constexpr Bytes kSameSize = ~Bytes{0};
  Bytes size = kSameSize;
  std::vector<Piece> pieces{};
  // Syncs: they promise what happened before this position (that of the call's beginning).
  Position covers = 0;
  FileNumber directory = kNoFile, to_directory = kNoFile;
  std::string name{}, to_name{};
  FileType type = FileType::Regular;
  std::uint32_t mode = 0644;  // Create: the file's; Allocate: that of fallocate(2)
  std::string text{};  // Output; the target of a symbolic link
  // A store that was seen together with the event before it: which of them came first is not known.
  bool together = false;
  std::int32_t process = 0;
  std::uint32_t code = 0;  // events with the same number come from the same place in the program; 0: unknown
  std::string place{};     // that place: "put_record+0x1c (store), store.c:42"; empty: unknown
};

}  // namespace pagefold::crash
