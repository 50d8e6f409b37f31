// Numbers for people: a median with its unit, the ratio with its 95 % interval, the bar and the verdict.
#include "bench/render.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace pagefold::bench {
namespace {

constexpr int kSchemaVersion = 1;

std::string with_unit(double value, Measure measure) {
  if (measure == Measure::LoadMemory) return fmt::format("{:.0f} KiB", value / 1024);
  if (measure == Measure::SupervisorMemory) return fmt::format("{:.1f} MiB", value / (1024 * 1024));
  if (value < 1e6) return fmt::format("{:.2f} us", value / 1e3);
  if (value < 1e9) return fmt::format("{:.2f} ms", value / 1e6);
  return fmt::format("{:.3f} s", value / 1e9);
}

const char* name_of(Placement placement) { return placement == Placement::Pinned ? "pinned" : "unpinned"; }

const char* name_of(Measure measure) {
  switch (measure) {
    case Measure::Wall: return "wall_ns";
    case Measure::Printed: return "own_ns";
    case Measure::StartUp: return "start_up_ns";
    case Measure::SupervisorMemory: return "supervisor_bytes";
    case Measure::Load: return "exec_to_entry_ns";
    case Measure::LoadMemory: return "dirty_at_entry_bytes";
    case Measure::GuestLoader: return "guest_wall_ns";
  }
  return "";
}

std::string verdict(const Row& row) {
  if (!row.bar) return "";
  if (!row.meets_bar()) return "not met";
  return row.value <= *row.bar ? "met" : "met, within the spread";
}

std::string cell(const Row& row, double value) {
  return row.measure == Measure::StartUp ? fmt::format("{:+.2f} ms", value) : fmt::format("{:.3f}", value);
}

}  // namespace

std::string table_head() {
  return fmt::format("{:<17} {:<9} {:>11} {:>11} {:>9}  {:<21} {:>6}\n", "case", "placed", "native", "pagefold", "ratio",
                     "95 % interval", "bar");
}

std::string table_line(const Row& row) {
  std::string line = fmt::format("{:<17} {:<9} ", row.name, name_of(row.placement));
  if (!row.failure.empty()) return line + (row.skipped ? "skipped: " : "FAILED: ") + row.failure + "\n";
  line += fmt::format("{:>11} {:>11} {:>9}  {:<21} {:>6}  {}", with_unit(median(row.native), row.measure),
                      with_unit(median(row.pagefold), row.measure), cell(row, row.value),
                      cell(row, row.interval.low) + " .. " + cell(row, row.interval.high),
                      row.bar ? fmt::format("{}", *row.bar) : "-", verdict(row));
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string table_foot(const std::vector<Row>& rows) {
  const auto count = [&rows](auto holds) { return std::ranges::count_if(rows, holds); };
  const auto judged = [](const Row& row) { return row.failure.empty() && row.bar; };
  return fmt::format("{} bars met, {} not met, {} skipped, {} failed. Memory: allowed against used. load-*: genuine loader\n"
                     "against ours, both natively, execve to entry point; -mem: private dirty memory there.\n"
                     "guest-*: genuine loader against ours, both under Pagefold.\n",
                     count([&](const Row& row) { return judged(row) && row.meets_bar(); }),
                     count([&](const Row& row) { return judged(row) && !row.meets_bar(); }),
                     count([](const Row& row) { return row.skipped; }),
                     count([](const Row& row) { return !row.failure.empty() && !row.skipped; }));
}

std::string to_json(const std::vector<Row>& rows) {
  using nlohmann::ordered_json;
  ordered_json cases = ordered_json::array();
  for (const Row& row : rows) {
    ordered_json entry = {{"case", row.name}, {"placement", name_of(row.placement)}, {"measure", name_of(row.measure)}};
    if (row.failure.empty()) {
      entry["native_median"] = median(row.native);
      entry["pagefold_median"] = median(row.pagefold);
      entry[row.measure == Measure::StartUp ? "difference_ms" : "ratio"] = row.value;
      entry["interval"] = {row.interval.low, row.interval.high};
      entry["bar"] = row.bar ? ordered_json(*row.bar) : ordered_json(nullptr);
      entry["met"] = row.bar ? ordered_json(row.meets_bar()) : ordered_json(nullptr);
      entry["native"] = row.native;
      entry["pagefold"] = row.pagefold;
    } else {
      entry[row.skipped ? "skipped" : "failed"] = row.failure;
    }
    cases.push_back(std::move(entry));
  }
  utsname host{};
  ::uname(&host);
  const ordered_json document = {{"schema_version", kSchemaVersion},
                                 {"kernel", host.release},
                                 {"processors", ::sysconf(_SC_NPROCESSORS_ONLN)},
                                 {"cases", std::move(cases)}};
  return document.dump(1) + "\n";
}

}  // namespace pagefold::bench
