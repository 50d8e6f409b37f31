// /proc/PID/status, statm and stat: the memory fields of a process (task_mem, task_statm, do_task_stat). See
// proc_text.h.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <vector>

#include "view/lines.h"
#include "view/memory_totals.h"
#include "view/proc_text.h"

namespace pagefold::view {
namespace {

struct Memory {
  const ProcessView& process;
  MemoryTotals totals;
};

struct StatusRow {
  std::string_view name;
  Bytes (*value)(const Memory&);
};

// Natively a peak is never below the present value.
constexpr std::array kStatusRows = {
    StatusRow{"VmPeak", [](const Memory& m) { return std::max(m.process.peak_virtual, m.totals.virtual_size); }},
    StatusRow{"VmSize", [](const Memory& m) { return m.totals.virtual_size; }},
    StatusRow{"VmLck", [](const Memory& m) { return m.totals.locked; }},
    StatusRow{"VmPin", [](const Memory& m) { return m.process.pinned; }},
    StatusRow{"VmHWM", [](const Memory& m) { return std::max(m.process.peak_resident, m.totals.resident()); }},
    StatusRow{"VmRSS", [](const Memory& m) { return m.totals.resident(); }},
    StatusRow{"RssAnon", [](const Memory& m) { return m.totals.resident_anonymous; }},
    StatusRow{"RssFile", [](const Memory& m) { return m.totals.resident_file; }},
    StatusRow{"RssShmem", [](const Memory& m) { return m.totals.resident_shmem; }},
    StatusRow{"VmData", [](const Memory& m) { return m.totals.data; }},
    StatusRow{"VmStk", [](const Memory& m) { return m.totals.stack; }},
    StatusRow{"VmExe", [](const Memory& m) { return m.totals.text; }},
    StatusRow{"VmLib", [](const Memory& m) { return m.totals.library; }},
    StatusRow{"VmPTE", [](const Memory& m) { return m.totals.page_tables; }},
    StatusRow{"VmSwap", [](const Memory& m) { return m.totals.swap; }},
};

// Field numbers of proc(5), which counts from 1; fields 1 and 2 are the pid and the name in parentheses.
constexpr std::size_t kFirstAfterName = 3;
constexpr std::size_t kMinorFaults = 10, kMajorFaults = 12, kVirtualSize = 23, kResidentPages = 24, kStartBrk = 47;

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    words.emplace_back(text.substr(0, space));
    text = space == std::string_view::npos ? std::string_view{} : text.substr(space + 1);
  }
  return words;
}

}  // namespace

std::string statm_text(const ProcessView& process) {
  const MemoryTotals totals = memory_totals(process);
  return fmt::format("{} {} {} {} 0 {} 0\n", page_of(totals.virtual_size), page_of(totals.resident()),
                     page_of(totals.resident_file + totals.resident_shmem), page_of(totals.text),
                     page_of(totals.data + totals.stack));
}

std::string status_text(std::string_view host_text, const ProcessView& process) {
  constexpr Bytes kKilobyte = 1024;
  const Memory memory = {process, memory_totals(process)};
  std::string text;
  for (const std::string_view line : Lines(host_text)) {
    const auto* row = std::ranges::find(kStatusRows, line.substr(0, line.find(':')), &StatusRow::name);
    if (row != kStatusRows.end()) {
      fmt::format_to(std::back_inserter(text), "{}:\t{:>8} kB\n", row->name, row->value(memory) / kKilobyte);
    } else {
      text.append(line).append("\n");
    }
  }
  return text;
}

std::string stat_text(std::string_view host_text, const ProcessView& process) {
  // The name may hold spaces and parentheses; the last ')' ends it.
  const std::size_t name_end = host_text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= host_text.size()) return std::string(host_text);
  const std::string_view head = host_text.substr(0, name_end + 2);
  std::string_view tail = host_text.substr(head.size());
  const bool has_newline = tail.ends_with('\n');
  if (has_newline) tail.remove_suffix(1);
  std::vector<std::string> words = split_words(tail);
  if (words.size() + kFirstAfterName <= kStartBrk) return std::string(host_text);

  const auto field = [&words](std::size_t number) -> std::string& { return words[number - kFirstAfterName]; };
  const bool without_memory = field(kVirtualSize) == "0";  // a zombie
  field(kMinorFaults) = std::to_string(process.minor_faults);
  field(kMajorFaults) = std::to_string(process.major_faults);
  if (!without_memory) {
    const MemoryTotals totals = memory_totals(process);
    field(kVirtualSize) = std::to_string(totals.virtual_size);
    field(kResidentPages) = std::to_string(page_of(totals.resident()));
  }
  if (field(kStartBrk) != "0" && process.heap.start != 0) field(kStartBrk) = std::to_string(process.heap.start);
  return fmt::format("{}{}{}", head, fmt::join(words, " "), has_newline ? "\n" : "");
}

}  // namespace pagefold::view
