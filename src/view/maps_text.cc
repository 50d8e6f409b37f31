// /proc/PID/maps: one line a mapping (show_map_vma). See proc_text.h.
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "view/merge.h"
#include "view/proc_text.h"

namespace pagefold::view {
namespace {

constexpr std::size_t kNameColumn = 73;  // 25 + 6 * sizeof(void*): the kernel pads the other columns to here

// A newline in a path would forge a line; the kernel escapes it and nothing else (seq_path with "\n").
void append_escaped(std::string& line, std::string_view name) {
  for (const char c : name) {
    if (c == '\n') {
      line += "\\012";
    } else {
      line += c;
    }
  }
}

}  // namespace

std::string permissions(const MappingView& mapping) {
  return {mapping.read ? 'r' : '-', mapping.write ? 'w' : '-', mapping.execute ? 'x' : '-', mapping.shared ? 's' : 'p'};
}

std::string maps_line(const MappingView& mapping) {
  const bool object = mapping.file || mapping.shared;  // private anonymous memory has no offset, device or inode
  std::string line = fmt::format("{:08x}-{:08x} {} {:08x} {:02x}:{:02x} {} ", mapping.range.start, mapping.range.end,
                                 permissions(mapping), object ? mapping.offset : 0, object ? major(mapping.device) : 0,
                                 object ? minor(mapping.device) : 0, object ? mapping.inode : 0);
  if (mapping.name.empty()) return line;
  line.resize(std::max(line.size(), kNameColumn - 1), ' ');
  line += ' ';
  append_escaped(line, mapping.name);
  return line;
}

std::string maps_text(const ProcessView& process) {
  std::string text;
  for (const MappingView& mapping : merge_adjacent(process.mappings)) {
    text += maps_line(mapping);
    text += '\n';
  }
  return text;
}

}  // namespace pagefold::view
