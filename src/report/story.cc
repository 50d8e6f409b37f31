// The story of a run, for people: what ran, how long, which faults, whose memory. Data: summary.h.
//
// Layout: at most 80 columns as far as names allow; tables with right-aligned numbers; long paths lose their beginning.
// Names come from guests: printable() makes them harmless.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <string_view>

#include "base/printable.h"
#include "report/summary.h"
#include "report/units.h"
#include "report/words.h"

namespace pagefold::report {
namespace {

constexpr std::size_t kObjectsShown = 8;
constexpr std::size_t kProgramsShown = 12;
constexpr std::size_t kObjectWidth = 42;

// What each cause means, for somebody who meets the words for the first time; in the order of FaultCause.
constexpr std::array<std::string_view, kFaultCauses> kCauseMeaning = {
    "first touch of fresh memory: cleared", "first touch of a file's page: read in",
    "the page was in memory: only mapped", "a private copy was made", "brought back from the swap", "access not allowed"};

class Ink {
 public:
  explicit Ink(Colour colour) : on_(colour == Colour::Yes) {}
  [[nodiscard]] std::string bold(std::string_view text) const { return paint("1", text); }
  [[nodiscard]] std::string dim(std::string_view text) const { return paint("2", text); }
  [[nodiscard]] std::string warn(std::string_view text) const { return paint("33", text); }

 private:
  [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const {
    return on_ ? fmt::format("\033[{}m{}\033[0m", code, text) : std::string(text);
  }
  bool on_;
};

std::string_view plural(std::uint64_t count, std::string_view one, std::string_view many) {
  return count == 1 ? one : many;
}

std::string ending(int exit_code) {
  constexpr int kSignalBase = 128;
  if (exit_code <= kSignalBase) return fmt::format("exit code {}", exit_code);
  return fmt::format("exit code {} (signal {})", exit_code, exit_code - kSignalBase);
}

void tell_programs(std::string& story, const RunSummary& summary) {
  const std::size_t shown = std::min(summary.programs.size(), kProgramsShown);
  std::string_view label = "ran";
  for (std::size_t i = 0; i < shown; ++i) {
    const ProgramLine& program = summary.programs[i];
    const std::string times =
        program.executions > 1 ? fmt::format("  ({} times)", human_count(program.executions)) : "";
    fmt::format_to(std::back_inserter(story), "  {:<7}{}{}\n", label, printable(program.path), times);
    label = "";
  }
  if (const std::size_t more = summary.programs.size() - shown; more > 0) {
    fmt::format_to(std::back_inserter(story), "  {:<7}and {} more {}\n", "", more, plural(more, "program", "programs"));
  }
}

void tell_loaders(std::string& story, const RunSummary& summary) {
  const LoaderCounts& loaders = summary.loaders;
  if (loaders.own + loaders.system == 0) return;
  std::string who;
  if (loaders.own > 0)
    who = fmt::format("ld-pagefold.so for {} {}", human_count(loaders.own), plural(loaders.own, "start", "starts"));
  if (loaders.handed_over > 0) who += fmt::format(" ({} handed over)", human_count(loaders.handed_over));
  if (loaders.system > 0)
    who += fmt::format("{}the system's for {}", who.empty() ? "" : ", ", human_count(loaders.system));
  if (loaders.own == 0) who += plural(loaders.system, " start", " starts");
  fmt::format_to(std::back_inserter(story), "  {:<7}{}\n", "loader", who);
}

void tell_time(std::string& story, const RunSummary& summary) {
  fmt::format_to(std::back_inserter(story), "  {:<7}{} in {} {}, {}\n", "took", human_time(summary.wall_ns),
                 human_count(summary.processes), plural(summary.processes, "process", "processes"),
                 ending(summary.exit_code));
  if (summary.wall_ns == 0) return;
  fmt::format_to(std::back_inserter(story), "  {:<7}{} of processor time was Pagefold's own ({} of the time taken)\n",
                 "", human_time(summary.supervisor_cpu_ns), human_share(summary.supervisor_cpu_ns, summary.wall_ns));
}

std::string fault_row(std::string_view title, const FaultLine& faults) {
  return fmt::format("  {:<14}{:>10}{:>10}{:>10}", title, human_count(faults.count), human_time(faults.time_ns),
                     human_bytes(faults.bytes));
}

void tell_faults(std::string& story, const RunSummary& summary, const Ink& ink) {
  story += '\n' + ink.bold(fmt::format("  {:<14}{:>10}{:>10}{:>10}", "page faults", "count", "time", "bytes")) + '\n';
  FaultLine total;
  for (std::size_t cause = 0; cause < kFaultCauses; ++cause) {
    const FaultLine& faults = summary.faults[cause];
    if (static_cast<FaultCause>(cause) == FaultCause::SwapIn && !summary.pressure) continue;
    story += fault_row(kFaultCauseTitle[cause], faults) + "  " + ink.dim(kCauseMeaning[cause]) + '\n';
    total.count += faults.count;
    total.time_ns += faults.time_ns;
    total.bytes += faults.bytes;
  }
  story += fault_row("all", total) + '\n';
}

std::string object_row(std::string_view name, const std::string& mapped, const std::string& resident,
                       const std::string& private_bytes) {
  return fmt::format("  {:<{}}{:>11}{:>11}{:>11}", name, kObjectWidth, mapped, resident, private_bytes);
}

void tell_objects(std::string& story, const RunSummary& summary, const Ink& ink) {
  if (summary.objects.empty()) return;
  story += '\n' + ink.bold(object_row("memory", "mapped", "resident", "private")) + '\n';
  const std::size_t shown = std::min(summary.objects.size(), kObjectsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const ObjectLine& object = summary.objects[i];
    story += object_row(keep_end(printable(object.name), kObjectWidth - 1), object.mapped == 0 ? "unmapped" : human_bytes(object.mapped),
                        human_bytes(object.resident), human_bytes(object.private_bytes)) +
             '\n';
  }
  ObjectLine rest;
  for (std::size_t i = shown; i < summary.objects.size(); ++i) {
    rest.mapped += summary.objects[i].mapped;
    rest.resident += summary.objects[i].resident;
    rest.private_bytes += summary.objects[i].private_bytes;
  }
  if (const std::size_t more = summary.objects.size() - shown; more > 0) {
    story += object_row(fmt::format("{} more", more), human_bytes(rest.mapped), human_bytes(rest.resident),
                        human_bytes(rest.private_bytes)) +
             '\n';
  }
}

void tell_peaks(std::string& story, const RunSummary& summary) {
  const auto line = std::back_inserter(story);
  fmt::format_to(line, "\n  {:<7}{} of page frames", "peak", human_bytes(summary.peak_resident));
  if (summary.peak_speculative > 0) {
    fmt::format_to(line, "; at most {} of them were put in ahead of need", human_bytes(summary.peak_speculative));
  }
  fmt::format_to(line, "\n  {:<7}{} for Pagefold itself\n", "", human_bytes(summary.peak_supervisor));
  fmt::format_to(line, "  {:<7}{} system {} came to Pagefold, {} {} of the host's mappings\n", "calls",
                 human_count(summary.system_calls), plural(summary.system_calls, "call", "calls"),
                 human_count(summary.host_operations), plural(summary.host_operations, "change", "changes"));
  if (summary.files_host_mapped > 0) {
    fmt::format_to(line, "  {:<7}{} {} mapped by the host, being open for writing\n", "files",
                   human_count(summary.files_host_mapped), plural(summary.files_host_mapped, "file was", "files were"));
  }
}

void tell_pressure(std::string& story, const RunSummary& summary, const Ink& ink) {
  if (!summary.pressure) return;
  const PressureLine& p = *summary.pressure;
  const auto line = std::back_inserter(story);
  fmt::format_to(line, "\n{}\n", ink.bold(fmt::format("  memory limited to {}, at most {} used (policy {}, swap {})", human_bytes(p.limit),
                                                      human_bytes(p.peak), p.policy, printable(p.swap))));
  fmt::format_to(line, "  evicted {} pages of files, {} anonymous ones; needed again: {} and {}\n", human_count(p.evicted.files),
                 human_count(p.evicted.anonymous), human_count(p.refaulted.files), human_count(p.refaulted.anonymous));
  if (p.evicted.shared > 0)
    fmt::format_to(line, "          {} of shared memory; needed again: {}\n", human_count(p.evicted.shared), human_count(p.refaulted.shared));
  fmt::format_to(line, "  {:<8}{} out, {} in; it held at most {}\n", "swap", human_bytes(p.swapped_out), human_bytes(p.swapped_in),
                 human_bytes(p.swap_peak));
  if (p.overdrawn > 0) story += ink.warn(fmt::format("  note   {} of frames came unreserved", human_bytes(p.overdrawn))) + '\n';
}

// "pwrite64 of /data/my.db, page 7: ENOSPC".
std::string what_happened(const HitLine& hit) {
  std::string text = hit.what;
  if (!hit.path.empty()) text += fmt::format(" of {}", printable(hit.path));
  if (hit.offset) text += fmt::format(", page {}", page_of(*hit.offset));
  if (hit.path.empty() && hit.length > 0) text += " of " + human_bytes(hit.length);
  return text + ": " + hit.outcome;
}

std::string who_met_it(const HitLine& hit) {
  if (hit.process == 0) return "in the background";
  std::string text = fmt::format("process {}, {}", hit.process, printable(hit.program.substr(hit.program.rfind('/') + 1)));
  if (hit.place.empty()) return text;
  std::string place = printable(hit.place);
  constexpr std::string_view kCaller = ", called from ";
  if (const auto caller = place.find(kCaller); caller != std::string::npos) place.replace(caller, 2, ",\n         ");
  return text + ", in " + place;
}

void tell_failures(std::string& story, const RunSummary& summary, const Ink& ink) {
  if (summary.failures.empty()) return;
  constexpr std::size_t kWidth = 52, kHitsShown = 12;
  const auto line = std::back_inserter(story);
  fmt::format_to(line, "\n{}\n", ink.bold(fmt::format("  {:<{}}{:>10}{:>10}", "failures asked for", kWidth, "matched", "hit")));
  for (const FailureLine& failure : summary.failures) {
    const std::string row = fmt::format("  {:<{}}{:>10}{:>10}", printable(failure.spec), kWidth, human_count(failure.matches), human_count(failure.hits));
    story += failure.matches == 0 ? ink.warn(row + "  nothing matched it") + '\n' : row + '\n';
  }
  const std::size_t shown = std::min(summary.hits.size(), kHitsShown);
  for (std::size_t i = 0; i < shown; ++i)
    fmt::format_to(line, "  hit    {}\n         {}\n", what_happened(summary.hits[i]), ink.dim(who_met_it(summary.hits[i])));
  if (const std::uint64_t more = summary.hits.size() - shown + summary.more_hits; more > 0)
    fmt::format_to(line, "         and {} more {}\n", human_count(more), plural(more, "hit", "hits"));
}

void tell_notes(std::string& story, const RunSummary& summary, const Ink& ink) {
  if (summary.lost_events > 0) {
    story +=
        ink.warn(fmt::format("  note   {} {} lost: the numbers above are too small", human_count(summary.lost_events),
                             plural(summary.lost_events, "event was", "events were"))) +
        '\n';
  }
  for (const std::string& note : summary.notes) story += ink.warn("  note   " + printable(note)) + '\n';
}

}  // namespace

std::string render_story(const RunSummary& summary, Colour colour) {
  const Ink ink(colour);
  std::string story = ink.bold(fmt::format("pagefold: the memory story of `{}`", command_line(summary.command))) + '\n';
  tell_programs(story, summary);
  tell_loaders(story, summary);
  tell_time(story, summary);
  tell_faults(story, summary, ink);
  tell_objects(story, summary, ink);
  tell_peaks(story, summary);
  tell_pressure(story, summary, ink);
  tell_failures(story, summary, ink);
  tell_notes(story, summary, ink);
  return story;
}

}  // namespace pagefold::report
