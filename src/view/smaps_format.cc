// See smaps_format.h.
#include "view/smaps_format.h"

#include <fstream>
#include <initializer_list>
#include <iterator>

#include "view/lines.h"

namespace pagefold::view {
namespace {

std::vector<SmapsField> fields(std::initializer_list<const char*> names) {
  std::vector<SmapsField> list;
  for (const char* name : names) list.push_back({name, true});
  return list;
}

// "Rss:    8 kB" -> Rss. A header line ("5652eed64000-... r--p ...") has no colon right after its first word.
bool parse_field(std::string_view line, SmapsField& field) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || line.substr(0, colon).find(' ') != std::string_view::npos) return false;
  field = {std::string(line.substr(0, colon)), line.ends_with(" kB")};
  return true;
}

std::string read_whole(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

SmapsFormat common_smaps_format() {
  SmapsFormat format;
  format.mapping = fields({"Size",          "KernelPageSize", "MMUPageSize",     "Rss",
                           "Pss",           "Pss_Dirty",      "Shared_Clean",    "Shared_Dirty",
                           "Private_Clean", "Private_Dirty",  "Referenced",      "Anonymous",
                           "KSM",           "LazyFree",       "AnonHugePages",   "ShmemPmdMapped",
                           "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap",
                           "SwapPss",       "Locked"});
  format.mapping.push_back({"THPeligible", false});
  format.rollup = fields({"Rss",
                          "Pss",
                          "Pss_Dirty",
                          "Pss_Anon",
                          "Pss_File",
                          "Pss_Shmem",
                          "Shared_Clean",
                          "Shared_Dirty",
                          "Private_Clean",
                          "Private_Dirty",
                          "Referenced",
                          "Anonymous",
                          "KSM",
                          "LazyFree",
                          "AnonHugePages",
                          "ShmemPmdMapped",
                          "FilePmdMapped",
                          "Shared_Hugetlb",
                          "Private_Hugetlb",
                          "Swap",
                          "SwapPss",
                          "Locked"});
  return format;
}

SmapsFormat learn_smaps_format(std::string_view smaps, std::string_view rollup) {
  SmapsFormat learned;
  bool complete = false;
  for (const std::string_view line : Lines(smaps)) {
    SmapsField field;
    if (!parse_field(line, field)) continue;
    if (field.name == "VmFlags") {
      complete = true;
      learned.soft_dirty = line.find(" sd") != std::string_view::npos;
      break;
    }
    learned.mapping.push_back(std::move(field));
  }
  for (const std::string_view line : Lines(rollup)) {
    SmapsField field;
    if (parse_field(line, field)) learned.rollup.push_back(std::move(field));
  }
  SmapsFormat common = common_smaps_format();
  if (!complete) learned.mapping = std::move(common.mapping);
  if (learned.rollup.empty()) learned.rollup = std::move(common.rollup);
  return learned;
}

const SmapsFormat& host_smaps_format() {
  static const SmapsFormat format =
      learn_smaps_format(read_whole("/proc/self/smaps"), read_whole("/proc/self/smaps_rollup"));
  return format;
}

}  // namespace pagefold::view
