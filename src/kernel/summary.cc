// What a supervisor can tell of its run when it has ended.

#include <algorithm>

#include "frame/shared_object.h"
#include "kernel/fail/failures.h"
#include "kernel/pressure/pressure.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

std::string object_name(const vm::Vma& v) {
  if (v.tag == vm::Tag::Heap) return "[heap]";
  if (v.tag == vm::Tag::Stack) return "[stack]";
  if (v.anonymous()) return "[anonymous]";
  return v.object->kind() == vm::Object::Kind::Shared ? "[shared memory]" : v.object->name();
}

report::PressureLine told(Pressure& limit) {
  const reclaim::ReclaimCounts counts = limit.reclaimer().counts();
  const auto of = [](const auto& list, reclaim::Owner::Kind kind) { return list[static_cast<std::size_t>(kind)]; };
  const auto refused = [&](reclaim::Refusal why) { return counts.refused[static_cast<std::size_t>(why)]; };
  using Kind = reclaim::Owner::Kind;
  report::PressureLine line;
  line.limit = limit.options().limit;
  line.peak = bytes_of(limit.reclaimer().limit().peak());
  line.overdrawn = bytes_of(limit.reclaimer().limit().overdrawn());
  line.policy = limit.options().policy;
  line.evicted = {of(counts.evicted, Kind::File), of(counts.evicted, Kind::Private), of(counts.evicted, Kind::Shared)};
  line.refaulted = {of(counts.refaulted, Kind::File), of(counts.refaulted, Kind::Private), of(counts.refaulted, Kind::Shared)};
  line.swap_full = refused(reclaim::Refusal::SwapFull);
  line.busy = refused(reclaim::Refusal::Busy);
  line.pinned = refused(reclaim::Refusal::Pinned);
  line.failed = refused(reclaim::Refusal::Failed);
  line.touched = refused(reclaim::Refusal::Touched);
  line.swap = limit.options().swap.name();
  if (limit.swap() != nullptr) {
    const reclaim::SwapTraffic traffic = limit.swap()->traffic();
    line.swapped_out = bytes_of(traffic.out);
    line.swapped_in = bytes_of(traffic.in);
    line.swap_peak = traffic.peak;
  }
  return line;
}

}  // namespace


void Supervisor::count_objects(const Space& space) {
  std::map<std::string, report::ObjectLine> here;
  const std::lock_guard family(space.layer->mutex());
  for (const auto& [start, v] : space.map.all()) {
    report::ObjectLine& line = here[object_name(v)];
    line.mapped += v.range.size();
    if (v.layered) line.private_bytes += bytes_of(space.layer->present().count_range(page_of(v.layer), page_of(v.layer + v.range.size())));
    if (const auto* shared = dynamic_cast<const frame::SharedObject*>(v.object.get())) line.resident += shared->store()->resident();
  }
  const std::lock_guard lock(objects_mutex_);
  for (const auto& [name, line] : here) {
    report::ObjectLine& total = objects_[name];
    total.name = name;
    total.mapped = std::max(total.mapped, line.mapped);
    total.private_bytes = std::max(total.private_bytes, line.private_bytes);
    // Files are counted once, in the page cache; private memory is where its frames are.
    if (name.starts_with('[')) total.resident = std::max(total.resident, std::max(line.resident, line.private_bytes));
  }
}

void Supervisor::fill_summary(report::RunSummary& summary) {
  const Stats& s = stats();
  for (std::size_t i = 0; i < kFaultCauses; ++i)
    summary.faults[i] = {s.faults[i].count, s.faults[i].time_ns, s.faults[i].bytes};
  for (const auto& [path, count] : guests_.programs()) summary.programs.push_back({path, count});
  summary.processes = s.processes;
  summary.peak_resident = static_cast<Bytes>(std::max<std::int64_t>(0, s.peak_resident));
  if (Pressure* limit = pressure()) summary.pressure = told(*limit);
  if (summary.pressure) summary.peak_resident = summary.pressure->peak;
  summary.peak_speculative = static_cast<Bytes>(std::max<std::int64_t>(0, s.peak_speculative));
  summary.system_calls = s.system_calls;
  summary.host_operations = s.host_operations;
  summary.files_host_mapped = files_.host_mapped();
  summary.lost_events = s.lost_events;
  summary.loaders = {s.own_loader, s.system_loader, s.handed_over};
  if (failures_) failures_->tell(summary);
  auto objects = objects_;
  for (const auto& file : files_.objects()) {
    report::ObjectLine& line = objects[file->name()];
    line.name = file->name();
    line.resident += bytes_of(file->resident_pages());
  }
  for (auto& [name, line] : objects)
    if (line.mapped + line.resident > 0) summary.objects.push_back(std::move(line));
  std::sort(summary.objects.begin(), summary.objects.end(), [](const auto& a, const auto& b) { return a.resident > b.resident; });
  for (const std::string& note : s.notes()) summary.notes.push_back(note);
}

}  // namespace pagefold::kernel
