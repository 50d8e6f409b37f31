// Small programs of file operations, played: the log that the code under test reads, and beside it what each call does, as naively as
// possible - no units and no atoms, but numbers under names - for the reference (crash_reference.h).
//
// The program has three files under three names in one directory. Each file has up to kSlots slots, which are pages, or
// half pages if pages may be torn. A slot holds the number of the event that filled it last, or 0.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "crash/log.h"

namespace pagefold::crash::reference {

inline constexpr int kFiles = 3, kSlots = 4;
inline const std::vector<std::string> kNames = {"a", "b", "c"};

enum class Do {
  Write,
  Store,
  StoreTogether,
  Truncate,
  PunchHole,
  ZeroRange,
  Reserve,
  ReserveBehindTheEnd,
  Collapse,
  Insert,
  Create,
  Link,
  Unlink,
  Rename,
  Fsync,
  Fdatasync,
  Msync,
  SyncDirectory,
  SyncAll,
  SlowSync,
  Tell
};
inline constexpr int kDos = 21;

// What a program does. first, second: names, slots, lengths, as `what` wants them.
struct Step {
  Do what = Do::Write;
  int file = 0, first = 0, second = 0;
};

// A part of an event that reaches the disk as a whole.
struct Effect {
  enum class Kind { Slot, Growth, Resize, Names } kind = Kind::Slot;
  std::size_t event = 0;
  int file = 0;
  std::map<std::string, int> sets;  // "0.1": slot 1 of file 0; "0.size"; "a": the file of that name, -1: none
  bool allocates = false;           // Slot: the block is new
  bool delayed = false;             // and nobody had reserved it
  bool replaces = false;            // Names: a rename over a file
  bool creates = false;
};

using Disk = std::map<std::string, int>;

std::string slot_key(int file, int s);
std::string size_key(int file);
int value(const Disk& disk, const std::string& key, int otherwise = 0);

// Plays steps: the log for the code under test, the effects for the reference.
class Play {
 public:
  Play(const std::vector<Step>& steps, Bytes slot, std::size_t most_effects);

  LogBuilder log;
  std::vector<Event> events;  // events[begin] is the first of the run
  std::size_t begin = 0;
  Disk before;  // what the run found
  std::vector<Effect> effects;
  Bytes slot;

 private:
  void play(const Step& step);
  void fill(EventKind kind, int file, int from, int to, bool together);
  void resize(int file, int size);
  void allocate(int file, int from, int to, std::uint32_t mode);
  void move(int file, int from, std::uint32_t mode);
  [[nodiscard]] std::set<int> whole_pages(int file, int from, int to) const;
  void name(const Step& step);
  void sync(const Step& step);
  void event(const Event& e);
  void effect(Effect::Kind kind, int file, const std::map<std::string, int>& sets, Effect what = {});
  Event of(int file, EventKind kind) const { return {.kind = kind, .file = static_cast<FileNumber>(file + 2)}; }
  [[nodiscard]] int page_of_slot(int s) const { return static_cast<int>(static_cast<Bytes>(s) * slot / kPageSize); }

  Disk now_;
  std::map<int, std::set<int>> allocated_, reserved_;  // pages, by file
  std::deque<std::vector<std::byte>> bytes_;
};

}  // namespace pagefold::crash::reference
