// Each measure turns one run of a command into one number; the rest - turns, medians, intervals - is the same for all.
#include "bench/measurement.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/page.h"
#include "bench/command.h"
#include "bench/load.h"

namespace pagefold::bench {
namespace {

constexpr double kNsPerMs = 1e6;
constexpr double kSupervisorBase = 24.0 * 1024 * 1024;
constexpr double kSupervisorShare = 1.0 / 64;

// A value, or a sentence that says why there is none.
template <class T>
using Measured = tl::expected<T, std::string>;

// The two numbers of one round: native and Pagefold, or allowed and used.
struct Pair {
  double a = 0;
  double b = 0;
};

Measured<double> printed_ns(const std::string& output) {
  const std::size_t at = output.starts_with("ns ") ? 0 : output.find("\nns ") + 1;
  double value = 0;
  const char* number = output.data() + at + 3;
  const char* end = output.data() + output.size();
  if (output.compare(at, 3, "ns ") != 0 || std::from_chars(number, end, value).ec != std::errc{}) {
    return tl::unexpected("no \"ns N\" in the output \"" + output + "\"");
  }
  return value;
}

Command command_of(const Case& subject, Placement placement, const Settings& settings) {
  Command command{subject.argv, settings.scratch, {}};
  if (placement == Placement::Pinned) command.cpu = last_allowed_cpu();
  return command;
}

Command under_pagefold(Command command, const Settings& settings, const std::vector<std::string>& options) {
  std::vector<std::string> argv = {settings.pagefold, "run", "-q"};
  argv.insert(argv.end(), options.begin(), options.end());
  argv.emplace_back("--");
  argv.insert(argv.end(), command.argv.begin(), command.argv.end());
  command.argv = std::move(argv);
  return command;
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

// A measurement of a program that failed is none.
Measured<Outcome> run_well(const Command& command) {
  Result<Outcome> outcome = run_command(command);
  if (!outcome) return tl::unexpected(outcome.error().message());
  if (outcome->status == 0) return std::move(*outcome);
  const std::string words = last_line(outcome->output);
  return tl::unexpected(command.argv[0] + " ended with " + ending_of(outcome->status) +
                        (words.empty() ? "" : ": " + words));
}

Measured<double> time_of(const Command& command, Measure measure) {
  const Outcome outcome = PAGEFOLD_TRY(run_well(command));
  return measure == Measure::Printed ? printed_ns(outcome.output) : outcome.wall_ns;
}

Measured<Pair> time_round(const Case& subject, Placement placement, const Settings& settings) {
  const Command command = command_of(subject, placement, settings);
  const double native = PAGEFOLD_TRY(time_of(command, subject.measure));
  const double ours = PAGEFOLD_TRY(time_of(under_pagefold(command, settings, subject.flags), subject.measure));
  return Pair{native, ours};
}

// In guests, loaded by the genuine loader and by ours.
Measured<Pair> loader_round(const Case& subject, Placement placement, const Settings& settings) {
  const Command command = command_of(subject, placement, settings);
  const auto under = [&](const char* loader) {
    return time_of(under_pagefold(command, settings, {"--loader", loader}), subject.measure);
  };
  const double genuine = PAGEFOLD_TRY(under("system"));
  const double ours = PAGEFOLD_TRY(under("pagefold"));
  return Pair{genuine, ours};
}

Measured<Pair> memory_round(const Case& subject, Placement placement, const Settings& settings) {
  const std::string report = settings.scratch + "/run.json";
  const Command command = command_of(subject, placement, settings);
  PAGEFOLD_TRY(run_well(under_pagefold(command, settings, {"--json", report})));
  std::ifstream in(report);
  const nlohmann::json run = nlohmann::json::parse(in, nullptr, false);
  const auto member = [&run](const char* name) -> Measured<double> {
    if (run.is_object() && run.contains("memory") && run["memory"].contains(name))
      return run["memory"][name].get<double>();
    return tl::unexpected(std::string("no memory.") + name + " in the run's JSON");
  };
  const double resident = PAGEFOLD_TRY(member("peak_resident_bytes"));
  const double used = PAGEFOLD_TRY(member("peak_supervisor_bytes"));
  return Pair{kSupervisorBase + resident * kSupervisorShare, used};
}

// A folder whose name is short: the path of a loader in it must fit into the place of the genuine one's in PT_INTERP.
class ShortFolder {
 public:
  ShortFolder() {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~ShortFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ShortFolder(const ShortFolder&) = delete;
  ShortFolder& operator=(const ShortFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/pfload-XXXXXX";
};

// Pages of a file that are not written back yet count as dirty memory of those who map it.
Result<void> write_back(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return fail_errno("fsync " + path);
  return {};
}

Result<std::string> program_of(const Case& subject, const Settings& settings) {
  if (subject.argv[0] != kManyLibraries) return subject.argv[0];
  const std::string built = settings.scratch + "/many/main";
  if (std::filesystem::exists(built)) return built;
  return write_many_libraries(settings.scratch);
}

// The genuine loader and ours in turn, on two copies of one program.
Result<void> load_samples(const Case& subject, unsigned rounds, const Settings& settings, Row& row) {
  const ShortFolder folder;
  const std::string ours = folder.path() + "/ld.so";
  const std::string program = PAGEFOLD_TRY(program_of(subject, settings));
  std::error_code error;
  std::filesystem::copy_file(settings.loader, ours, error);
  PAGEFOLD_CHECK(write_stopping_copy(program, "/lib64/ld-linux-x86-64.so.2", folder.path() + "/genuine"));
  PAGEFOLD_CHECK(write_stopping_copy(program, ours, folder.path() + "/ours"));
  for (const char* name : {"/ld.so", "/genuine", "/ours"}) PAGEFOLD_CHECK(write_back(folder.path() + name));
  const bool memory = subject.measure == Measure::LoadMemory;
  const int cpu = row.placement == Placement::Pinned ? last_allowed_cpu() : -1;
  for (unsigned i = 0; i <= rounds; ++i) {
    const LoadCost genuine = PAGEFOLD_TRY(load_once({folder.path() + "/genuine", subject.bind_now, memory, cpu}));
    const LoadCost tested = PAGEFOLD_TRY(load_once({folder.path() + "/ours", subject.bind_now, memory, cpu}));
    if (i == 0) continue;  // fills the caches of both, is not counted
    row.native.push_back(memory ? genuine.dirty_bytes : genuine.ns);
    row.pagefold.push_back(memory ? tested.dirty_bytes : tested.ns);
  }
  return {};
}

Measured<void> take_samples(const Case& subject, const Settings& settings, Row& row) {
  const auto round = subject.measure == Measure::SupervisorMemory ? memory_round
                     : subject.measure == Measure::GuestLoader    ? loader_round
                                                                  : time_round;
  const unsigned planned = settings.quick ? subject.quick_rounds : subject.rounds;
  const unsigned rounds = settings.rounds != 0 ? settings.rounds : planned;
  if (is_load(subject.measure)) {
    if (const Result<void> taken = load_samples(subject, rounds, settings, row); !taken)
      return tl::unexpected(taken.error().message());
    return {};
  }
  PAGEFOLD_TRY(round(subject, row.placement, settings));  // fills the caches of both, is not counted
  for (unsigned i = 0; i < rounds; ++i) {
    const Pair pair = PAGEFOLD_TRY(round(subject, row.placement, settings));
    row.native.push_back(pair.a);
    row.pagefold.push_back(pair.b);
  }
  return {};
}

void judge(Row& row) {
  if (row.measure == Measure::StartUp) {
    row.value = (median(row.pagefold) - median(row.native)) / kNsPerMs;
    const Interval ns = difference_interval(row.native, row.pagefold);
    row.interval = {ns.low / kNsPerMs, ns.high / kNsPerMs};
  } else {
    row.value = median(row.pagefold) / median(row.native);
    row.interval = ratio_interval(row.native, row.pagefold);
  }
}

}  // namespace

std::vector<Placement> placements_of(const Case& subject) {
  if (subject.measure == Measure::SupervisorMemory) return {Placement::Unpinned};
  if (is_load(subject.measure)) return {Placement::Pinned};
  return {Placement::Unpinned, Placement::Pinned};
}

Row measure_case(const Case& subject, Placement placement, const Settings& settings) {
  Row row;
  row.name = subject.name;
  row.measure = subject.measure;
  row.placement = placement;
  row.bar = placement == Placement::Pinned ? subject.pinned_bar : subject.unpinned_bar;
  if (is_load(subject.measure) && !is_installed(settings.loader)) {
    row.skipped = true;
    row.failure = "no " + settings.loader;
  } else if (subject.argv[0] != kManyLibraries && !is_installed(subject.argv[0])) {
    row.skipped = true;
    row.failure = subject.argv[0] + " is not installed";
  } else if (const Measured<void> taken = take_samples(subject, settings, row); taken) {
    judge(row);
  } else {
    row.failure = taken.error();
  }
  return row;
}

}  // namespace pagefold::bench
