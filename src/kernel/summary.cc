// What a supervisor can tell of its run when it has ended.

#include <algorithm>

#include "kernel/supervisor.h"

namespace pagefold::kernel {

void Supervisor::fill_summary(report::RunSummary& summary) {
  const Stats& s = stats();
  for (std::size_t i = 0; i < kFaultCauses; ++i)
    summary.faults[i] = {s.faults[i].count, s.faults[i].time_ns, s.faults[i].bytes};
  for (const auto& [path, count] : programs_) summary.programs.push_back({path, count});
  summary.processes = s.processes;
  summary.peak_resident = static_cast<Bytes>(std::max<std::int64_t>(0, s.peak_resident));
  summary.peak_speculative = static_cast<Bytes>(std::max<std::int64_t>(0, s.peak_speculative));
  summary.system_calls = s.system_calls;
  summary.host_operations = s.host_operations;
  summary.files_host_mapped = files_.host_mapped();
  summary.lost_events = s.lost_events;
  for (const auto& file : files_.objects())
    summary.objects.push_back({file->name(), page_up(file->size()), bytes_of(file->resident_pages()), 0});
  std::sort(summary.objects.begin(), summary.objects.end(), [](const auto& a, const auto& b) { return a.resident > b.resident; });
  for (const std::string& note : s.notes()) summary.notes.push_back(note);
}

}  // namespace pagefold::kernel
