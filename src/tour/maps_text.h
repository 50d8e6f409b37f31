// The lines of /proc/PID/maps as data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/page.h"

namespace pagefold::tour {

struct MapsLine {
  VirtRange range;
  std::string permissions;  // "r-xp"
  Bytes offset = 0;
  std::string name;

  [[nodiscard]] bool of_file() const { return name.starts_with('/'); }
  // All but the address, which may differ from run to run.
  [[nodiscard]] bool same_piece(const MapsLine& other) const {
    return permissions == other.permissions && offset == other.offset && name == other.name &&
           range.size() == other.range.size();
  }
};

// Lines that do not have the form are left out: compare the size with the number of lines.
std::vector<MapsLine> parse_maps(std::string_view text);

// A line that fits a terminal: range, permissions, offset and the last part of the name.
std::string brief(const MapsLine& line);

}  // namespace pagefold::tour
