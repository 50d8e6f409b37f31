// What a file system promises about a power cut: which atoms are on the disk for certain, and which cannot be there
// without others. docs/crash.md gives the sources, and what the models leave out.
//
//   strict        in program order: a power cut leaves all that happened before it, and an event by halves at most. Stores
//                 whose order is not known count as one event.
//   posix         between synchronisations, any subset, in any order. Certain is what a sync promises: fsync and fdatasync
//                 the file's data and size, msync the range and the size, fsync of a directory its entries.
//   ext4-ordered  changes of names, truncations and fallocations reach the disk in order (the journal); so do new blocks and
//                 sizes, after what came before their write; data that extends a file is there before the size that shows it;
//                 overwritten data comes in any order; a rename over an existing file brings the new file's data along
//                 (auto_da_alloc); a sync commits the journal up to the file's last change in it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "crash/history.h"

namespace pagefold::crash {

enum class Model : std::uint8_t { Strict, Posix, Ext4Ordered };

std::optional<Model> model_named(std::string_view name);
std::string_view name_of(Model model);

// A power cut at position p: the events before p have happened, p and what follows have not.
struct Rules {
  // By atom: a cut at this position or later finds it on the disk for certain. kNever: not within the log.
  std::vector<Position> certain_from;
  // By atom: earlier atoms that are on the disk wherever it is.
  std::vector<std::vector<AtomNumber>> needs;
  // The cuts that leave everything that any cut can leave.
  std::vector<Position> cuts;
};

Rules rules_of(const History& history, Model model);

}  // namespace pagefold::crash
