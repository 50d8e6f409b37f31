// /proc/PID/smaps and smaps_rollup: the counts behind each mapping (show_smap, __show_smap). See proc_text.h.
//
// A field of the host's format that the model does not have (huge pages, KSM, lazily freed pages) is 0 here, which is
// the truth: Pagefold has none of them.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "view/memory_totals.h"
#include "view/merge.h"
#include "view/proc_text.h"

namespace pagefold::view {
namespace {

// What the lines of one block are made from.
struct Block {
  Bytes size = 0;
  PageCounts pages;
  ByBacking proportional;  // Pss by backing
};

// The dirty part of Pss: all private dirty pages, and of the shared pages' part the share that is dirty.
Bytes proportional_dirty(const PageCounts& pages) {
  const Bytes private_pages = pages.private_clean + pages.private_dirty;
  const Bytes shared_pages = pages.shared_clean + pages.shared_dirty;
  if (shared_pages == 0 || pages.proportional <= private_pages)
    return std::min(pages.private_dirty, pages.proportional);
  const Bytes shared_part = pages.proportional - private_pages;
  return pages.private_dirty +
         static_cast<Bytes>(static_cast<double>(shared_part) * static_cast<double>(pages.shared_dirty) /
                            static_cast<double>(shared_pages));
}

struct FieldRow {
  std::string_view name;
  Bytes (*value)(const Block&);
};

constexpr std::array kFields = {
    FieldRow{"Size", [](const Block& b) { return b.size; }},
    FieldRow{"KernelPageSize", [](const Block&) { return kPageSize; }},
    FieldRow{"MMUPageSize", [](const Block&) { return kPageSize; }},
    FieldRow{"Rss", [](const Block& b) { return b.pages.resident; }},
    FieldRow{"Pss", [](const Block& b) { return b.pages.proportional; }},
    FieldRow{"Pss_Dirty", [](const Block& b) { return proportional_dirty(b.pages); }},
    FieldRow{"Pss_Anon", [](const Block& b) { return b.proportional.anonymous; }},
    FieldRow{"Pss_File", [](const Block& b) { return b.proportional.file; }},
    FieldRow{"Pss_Shmem", [](const Block& b) { return b.proportional.shmem; }},
    FieldRow{"Shared_Clean", [](const Block& b) { return b.pages.shared_clean; }},
    FieldRow{"Shared_Dirty", [](const Block& b) { return b.pages.shared_dirty; }},
    FieldRow{"Private_Clean", [](const Block& b) { return b.pages.private_clean; }},
    FieldRow{"Private_Dirty", [](const Block& b) { return b.pages.private_dirty; }},
    FieldRow{"Referenced", [](const Block& b) { return b.pages.resident; }},
    FieldRow{"Anonymous", [](const Block& b) { return b.pages.anonymous; }},
    FieldRow{"Swap", [](const Block& b) { return b.pages.swap; }},
    FieldRow{"SwapPss", [](const Block& b) { return b.pages.swap; }},
    FieldRow{"Locked", [](const Block& b) { return b.pages.locked; }},
};

Bytes value_of(std::string_view field, const Block& block) {
  const auto* row = std::ranges::find(kFields, field, &FieldRow::name);
  return row == kFields.end() ? 0 : row->value(block);
}

void append_field(std::string& text, const SmapsField& field, const Block& block) {
  constexpr Bytes kKilobyte = 1024;
  const std::string label = field.name + ':';
  if (field.kilobytes) {
    fmt::format_to(std::back_inserter(text), "{:<16}{:>8} kB\n", label, value_of(field.name, block) / kKilobyte);
  } else {
    fmt::format_to(std::back_inserter(text), "{:<16}{:>8}\n", label, 0);  // THPeligible, ProtectionKey
  }
}

// The kernel's special mappings have flags of their own, whatever their protection says.
std::string_view special_flags(const MappingView& mapping) {
  if (mapping.name == "[vdso]") return "rd ex mr mw me de";
  if (mapping.name == "[vvar]" || mapping.name == "[vvar_vclock]") return "rd mr pf io de dd";
  if (mapping.name == "[vsyscall]") return mapping.read ? "rd ex" : "ex";
  return {};
}

// A private mapping counts as committed memory once it was writable; one that has pages of its own must have been.
bool is_accounted(const MappingView& mapping) {
  return !mapping.shared && !mapping.no_reserve &&
         (mapping.write || mapping.was_writable || mapping.pages.anonymous > 0);
}

// Codes in the order of the kernel's flag bits, each followed by a space.
std::string vm_flags(const MappingView& m, bool soft_dirty) {
  if (const std::string_view codes = special_flags(m); !codes.empty()) {
    const bool tracked = soft_dirty && m.name != "[vsyscall]";
    return fmt::format("{}{} ", codes, tracked ? " sd" : "");
  }
  const bool may_write = m.may_write || m.write || !m.shared;
  const std::array<std::pair<bool, std::string_view>, 16> codes = {{
      {m.read, "rd"},
      {m.write, "wr"},
      {m.execute, "ex"},
      {m.shared && may_write, "sh"},
      {true, "mr"},
      {may_write, "mw"},
      {true, "me"},
      {m.shared, "ms"},
      {m.grows_down, "gd"},
      {m.locked, "lo"},
      {m.dont_fork, "dc"},
      {is_accounted(m), "ac"},
      {m.no_reserve, "nr"},
      {m.wipe_on_fork, "wf"},
      {m.dont_dump, "dd"},
      {soft_dirty, "sd"},
  }};
  std::string text;
  for (const auto& [set, code] : codes) {
    if (!set) continue;
    text += code;
    text += ' ';
  }
  return text;
}

}  // namespace

std::string smaps_text(const ProcessView& process, const SmapsFormat& format) {
  std::string text;
  for (const MappingView& mapping : merge_adjacent(process.mappings)) {
    const Block block = {mapping.range.size(), mapping.pages, {}};
    text += maps_line(mapping);
    text += '\n';
    for (const SmapsField& field : format.mapping) append_field(text, field, block);
    text += "VmFlags: " + vm_flags(mapping, format.soft_dirty) + '\n';
  }
  return text;
}

std::string smaps_rollup_text(const ProcessView& process, const SmapsFormat& format) {
  Block block;
  VirtRange span;
  for (const MappingView& mapping : process.mappings) {
    if (mapping.range.start >= kUserTop) continue;
    if (span.empty()) span.start = mapping.range.start;
    span.end = mapping.range.end;
    block.pages += mapping.pages;
    const ByBacking part = split_by_backing(mapping, mapping.pages.proportional);
    block.proportional.anonymous += part.anonymous;
    block.proportional.file += part.file;
    block.proportional.shmem += part.shmem;
  }
  MappingView header;
  header.range = span;
  header.name = "[rollup]";
  std::string text = maps_line(header) + '\n';
  for (const SmapsField& field : format.rollup) append_field(text, field, block);
  return text;
}

}  // namespace pagefold::view
