// This test process as the host's own /proc describes it, read into a ProcessView: what the formatters print from it
// must have the native text's shape, line by line.
#pragma once

#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

#include "view/lines.h"
#include "view/process_view.h"

namespace pagefold::test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline view::MappingView parse_maps_line(const std::string& line) {
  view::MappingView mapping;
  std::istringstream words(line);
  char dash = 0;
  char colon = 0;
  unsigned device_major = 0;
  unsigned device_minor = 0;
  std::string permissions;
  words >> std::hex >> mapping.range.start >> dash >> mapping.range.end >> permissions >> mapping.offset >>
      device_major >> colon >> device_minor >> std::dec >> mapping.inode >> std::ws;
  std::getline(words, mapping.name);
  mapping.read = permissions[0] == 'r';
  mapping.write = permissions[1] == 'w';
  mapping.execute = permissions[2] == 'x';
  mapping.shared = permissions[3] == 's';
  mapping.device = makedev(device_major, device_minor);
  mapping.file = mapping.inode != 0;
  return mapping;
}

// From the text of smaps: mappings with Rss, Anonymous and the flag of a stack.
inline view::ProcessView parse_smaps(std::string_view smaps) {
  view::ProcessView process;
  process.pid = ::getpid();
  for (const std::string_view line : view::Lines(smaps)) {
    std::istringstream words{std::string(line)};
    std::string label;
    Bytes kilobytes = 0;
    words >> label;
    if (!label.ends_with(':')) {
      process.mappings.push_back(parse_maps_line(std::string(line)));
      continue;
    }
    words >> kilobytes;
    view::MappingView& mapping = process.mappings.back();
    if (label == "Rss:") mapping.pages.resident = kilobytes * 1024;
    if (label == "Pss:") mapping.pages.proportional = kilobytes * 1024;
    if (label == "Private_Dirty:") mapping.pages.private_dirty = kilobytes * 1024;
    if (label == "Anonymous:") mapping.pages.anonymous = kilobytes * 1024;
    if (label == "VmFlags:") mapping.grows_down = line.find(" gd") != std::string_view::npos;
  }
  char exe[4096];
  const ssize_t length = ::readlink("/proc/self/exe", exe, sizeof exe);
  if (length > 0) process.exe.assign(exe, static_cast<std::size_t>(length));
  return process;
}

// The native texts of one moment: no mapping changed (a growing heap, say) while they were read.
struct NativeTexts {
  std::string smaps, status, statm, stat;
};

inline NativeTexts native_texts() {
  constexpr int kMostTries = 50;
  NativeTexts texts;
  for (int tries = 0; tries < kMostTries; ++tries) {
    const std::string before = read_file("/proc/self/maps");
    texts = {read_file("/proc/self/smaps"), read_file("/proc/self/status"), read_file("/proc/self/statm"),
             read_file("/proc/self/stat")};
    if (read_file("/proc/self/maps") == before) break;
  }
  return texts;
}

}  // namespace pagefold::test
