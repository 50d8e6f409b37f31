// The story of a run for programs. Keys are stable within a schema_version; times are nanoseconds, sizes bytes.
#include <nlohmann/json.hpp>

#include "report/summary.h"

namespace pagefold::report {
namespace {

using nlohmann::ordered_json;

ordered_json faults_to_json(const RunSummary& summary) {
  ordered_json faults;
  for (std::size_t cause = 0; cause < kFaultCauses; ++cause) {
    const FaultLine& line = summary.faults[cause];
    faults[std::string(kFaultCauseKey[cause])] = {
        {"count", line.count}, {"time_ns", line.time_ns}, {"bytes", line.bytes}};
  }
  return faults;
}

ordered_json objects_to_json(const RunSummary& summary) {
  ordered_json objects = ordered_json::array();
  for (const ObjectLine& object : summary.objects) {
    objects.push_back({{"name", object.name},
                       {"mapped_bytes", object.mapped},
                       {"resident_bytes", object.resident},
                       {"private_bytes", object.private_bytes}});
  }
  return objects;
}

ordered_json programs_to_json(const RunSummary& summary) {
  ordered_json programs = ordered_json::array();
  for (const ProgramLine& program : summary.programs) {
    programs.push_back({{"path", program.path}, {"executions", program.executions}});
  }
  return programs;
}

ordered_json by_kind(const ByKind& pages) {
  return {{"files", pages.files}, {"anonymous", pages.anonymous}, {"shared", pages.shared}};
}

ordered_json pressure_to_json(const PressureLine& line) {
  return {{"limit_bytes", line.limit},
          {"peak_bytes", line.peak},
          {"overdrawn_bytes", line.overdrawn},
          {"policy", line.policy},
          {"swap", line.swap},
          {"evicted_pages", by_kind(line.evicted)},
          {"refaulted_pages", by_kind(line.refaulted)},
          {"swapped_out_bytes", line.swapped_out},
          {"swapped_in_bytes", line.swapped_in},
          {"swap_peak_bytes", line.swap_peak},
          {"refused_pages", {{"swap_full", line.swap_full}, {"busy", line.busy}, {"pinned", line.pinned}, {"failed", line.failed}, {"touched", line.touched}}}};
}

ordered_json failures_to_json(const RunSummary& summary) {
  ordered_json specs = ordered_json::array(), hits = ordered_json::array();
  for (const FailureLine& line : summary.failures) specs.push_back({{"spec", line.spec}, {"matches", line.matches}, {"hits", line.hits}});
  for (const HitLine& line : summary.hits) {
    ordered_json hit = {{"spec", line.spec}, {"match", line.number}, {"what", line.what}, {"outcome", line.outcome}};
    if (!line.path.empty()) hit["path"] = line.path;
    if (line.offset) hit["offset"] = *line.offset;
    if (line.offset) hit["page"] = page_of(*line.offset);
    hit["length"] = line.length;
    hit["pid"] = line.process;
    hit["tid"] = line.thread;
    hit["program"] = line.program;
    hit["place"] = line.place;
    hits.push_back(std::move(hit));
  }
  return {{"specs", specs}, {"hits", hits}, {"more_hits", summary.more_hits}};
}

}  // namespace

std::string to_json(const RunSummary& summary) {
  ordered_json json = {
      {"schema_version", kSchemaVersion},
      {"command", summary.command},
      {"exit_code", summary.exit_code},
      {"programs", programs_to_json(summary)},
      {"loaders",
       {{"pagefold", summary.loaders.own},
        {"system", summary.loaders.system},
        {"handed_over", summary.loaders.handed_over}}},
      {"processes", summary.processes},
      {"wall_ns", summary.wall_ns},
      {"supervisor_cpu_ns", summary.supervisor_cpu_ns},
      {"faults", faults_to_json(summary)},
      {"memory",
       {{"peak_resident_bytes", summary.peak_resident},
        {"peak_speculative_bytes", summary.peak_speculative},
        {"peak_supervisor_bytes", summary.peak_supervisor}}},
      {"objects", objects_to_json(summary)},
      {"system_calls", summary.system_calls},
      {"host_operations", summary.host_operations},
      {"files_host_mapped", summary.files_host_mapped},
      {"lost_events", summary.lost_events},
      {"notes", summary.notes},
  };
  if (summary.pressure) json["pressure"] = pressure_to_json(*summary.pressure);
  if (!summary.failures.empty()) json["failures"] = failures_to_json(summary);
  constexpr int kIndent = 2;
  // Arguments and paths may be any bytes: what is not UTF-8 is replaced, as JSON must be UTF-8.
  return json.dump(kIndent, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace pagefold::report
