// The VmFlags line of a mapping, as the smaps formatter prints it; and a text as its lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "view/lines.h"
#include "view/proc_text.h"

namespace pagefold::test {

inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (const std::string_view line : view::Lines(text)) lines.emplace_back(line);
  return lines;
}

inline std::string flags_of(const view::MappingView& mapping, bool soft_dirty = false) {
  view::ProcessView process;
  process.mappings = {mapping};
  view::SmapsFormat format;
  format.soft_dirty = soft_dirty;
  return lines_of(view::smaps_text(process, format)).at(1);
}

}  // namespace pagefold::test
