// A log as the pieces that a disk can have or lack.
//
// A **unit** is what is always old or new as a whole: one grain of a file's data (a page, or a sector with --torn), a
// file's size, or one entry of a directory. Every event gives units new values. An **atom** is what an event does that
// cannot be done by halves: a grain of a write; the growth of a file; a truncation with the zeros it leaves; a rename
// with both its entries. Atoms stand in program order. What a disk holds after a power cut is a set of atoms; each unit
// then has the value that the last of them gave it (values are whole: a later write-back of a page contains the earlier
// stores to it).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "crash/log.h"

namespace pagefold::crash {

using UnitNumber = std::uint32_t;
using AtomNumber = std::uint32_t;

enum class UnitKind : std::uint8_t { Data, Size, Entry };

struct Unit {
  UnitKind kind = UnitKind::Data;
  FileNumber file = kNoFile;  // Entry: the directory
  std::uint64_t index = 0;    // Data: the grain's number
  std::string name;           // Entry
};

// Data: `bytes`, one grain of them, null for zeros, and their hash. Size: `number`. Entry: `number` is the file, or
// kNoFile.
struct Value {
  std::uint64_t number = 0;
  const std::byte* bytes = nullptr;
  friend bool operator==(const Value&, const Value&) = default;
};

struct Change {
  UnitNumber unit = 0;
  Value value;
};

struct Atom {
  enum class Kind : std::uint8_t {
    Data,    // one grain
    Growth,  // a write has moved the end of its file
    Resize,  // truncate, fallocate: size and data together
    Names    // entries of directories
  };
  Position event = 0;
  Kind kind = Kind::Data;
  FileNumber file = kNoFile;
  std::vector<Change> changes;
};

class History {
 public:
  // grain: bytes that are written whole; a power of two, at most a page.
  History(Log log, Bytes grain);

  [[nodiscard]] const Log& log() const { return log_; }
  [[nodiscard]] Bytes grain() const { return grain_; }
  [[nodiscard]] const std::vector<Unit>& units() const { return units_; }
  [[nodiscard]] const std::vector<Atom>& atoms() const { return atoms_; }
  // The values before the run.
  [[nodiscard]] const std::vector<Value>& initial() const { return initial_; }

  struct File {
    FileType type = FileType::Regular;
    std::uint32_t mode = 0644;
    std::string target;  // of a symbolic link
    UnitNumber size = 0;
    std::map<std::uint64_t, UnitNumber> data;                // by grain
    std::map<std::string, UnitNumber, std::less<>> entries;  // of a directory
  };
  [[nodiscard]] const std::map<FileNumber, File>& files() const { return files_; }

 private:
  void play(Position position);
  void play_names(Position position, const Event& event);
  void play_data(Position position, const Event& event);
  void shrink(FileNumber number, Bytes size, std::vector<Change>& changes);
  // The grains that the event's pieces have changed.
  std::vector<Change> overlay(FileNumber number, const Event& event);
  File& file(FileNumber number);
  UnitNumber data_unit(FileNumber number, std::uint64_t grain);
  UnitNumber entry_unit(FileNumber directory, const std::string& name);
  UnitNumber add_unit(Unit unit);
  // Either an atom, or, before the run, part of the initial values.
  void happen(Position position, Atom::Kind kind, FileNumber number, std::vector<Change> changes);
  Value intern(const std::byte* bytes);

  Log log_;
  Bytes grain_;
  std::vector<Unit> units_;
  std::vector<Atom> atoms_;
  std::vector<Value> initial_, now_;
  std::map<FileNumber, File> files_;
  std::deque<std::vector<std::byte>> arena_;
};

}  // namespace pagefold::crash
