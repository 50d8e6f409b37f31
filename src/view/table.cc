// See table.h.
#include "view/table.h"

#include <fmt/format.h>

#include <iterator>

#include "base/printable.h"
#include "view/json.h"
#include "view/merge.h"
#include "view/proc_text.h"

namespace pagefold::view {
namespace {

// As ps(1): the arguments, or the name in brackets when there are none.
std::string command_of(const ProcessView& process) {
  if (process.arguments.empty()) return '[' + printable(process.comm) + ']';
  return printable(fmt::format("{}", fmt::join(process.arguments, " ")));
}

}  // namespace

std::string ps_table(const std::vector<ProcessView>& processes) {
  constexpr Bytes kKibibyte = 1024;
  std::string text = fmt::format("{:>7} {:>7} {:>6} {:>4} {:>9} {:>9} {:>9} {}\n", "PID", "PPID", "UID", "THR", "RSS",
                                 "PRIVATE", "SHARED", "COMMAND");
  for (const ProcessView& process : processes) {
    const PageCounts& pages = process.pages;
    fmt::format_to(std::back_inserter(text), "{:>7} {:>7} {:>6} {:>4} {:>9} {:>9} {:>9} {}\n", process.pid,
                   process.parent, process.uid, process.threads, pages.resident / kKibibyte,
                   (pages.private_clean + pages.private_dirty) / kKibibyte,
                   (pages.shared_clean + pages.shared_dirty) / kKibibyte, command_of(process));
  }
  return text;
}

std::string pages_table(const ProcessView& process) {
  std::string text;
  for (const MappingView& mapping : merge_adjacent(process.mappings)) {
    text += printable(maps_line(mapping)) + '\n';
    for (const PageRun& run : mapping.runs) {
      fmt::format_to(std::back_inserter(text), "  {:<12} {:>8} {} {}\n", fmt::format("{:08x}", run.start), run.count,
                     run.count == 1 ? "page " : "pages", page_state_name(run.state));
    }
  }
  return text;
}

}  // namespace pagefold::view
