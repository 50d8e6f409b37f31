// pagefold_bench: what Pagefold costs, natively and under it in turn, against the bars that the project has set itself.
// An unmet bar does not fail; a command that does not run does.
#include <fmt/format.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "bench/cases.h"
#include "bench/command.h"
#include "bench/crash_rate.h"
#include "bench/file_cases.h"
#include "bench/measurement.h"
#include "bench/pressure.h"
#include "bench/render.h"

namespace pagefold::bench {
namespace {

struct Options {
  std::string pagefold = PAGEFOLD_BINARY;
  std::string loader = PAGEFOLD_LOADER;
  std::string only;
  std::string json;
  std::string policy;
  unsigned rounds = 0;
  bool quick = false;
  bool list = false;
};

// A working directory of our own, removed with everything in it.
class Scratch {
 public:
  Scratch() {
    std::string path = (std::filesystem::temp_directory_path() / "pagefold-bench-XXXXXX").string();
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<Row> measure_all(const std::vector<Case>& cases, const Settings& settings) {
  std::vector<Row> rows;
  fmt::print("{}", table_head());
  for (const Case& subject : cases) {
    for (const Placement placement : placements_of(subject)) {
      rows.push_back(measure_case(subject, placement, settings));
      fmt::print("{}", table_line(rows.back()));
      std::fflush(stdout);
      if (rows.back().skipped) break;
    }
  }
  fmt::print("{}", table_foot(rows));
  return rows;
}

int complain(const std::string& message) {
  fmt::print(stderr, "pagefold_bench: {}\n", message);
  return 1;
}

constexpr const char* kCrashRate = "crash-states";

// Rates, not comparisons: lines of their own below the table.
bool tell_crash_costs(const Options& options, const std::string& directory) {
  const auto costs = crash_costs(options.pagefold, PAGEFOLD_BENCH_PROGRAMS, directory, options.quick);
  if (!costs) return complain(std::string(kCrashRate) + ": " + costs.error().message()) == 0;
  fmt::print("\n{}: {:.0f} a second of 1 MiB, with a check that does nothing (bar: {:.0f}, {}); {:.0f} by one job, so {:.2f} times as many by {}\n",
             kCrashRate, costs->by_all_jobs, kCrashRateBar, costs->by_all_jobs >= kCrashRateBar ? "met" : "missed", costs->by_one_job,
             costs->by_all_jobs / costs->by_one_job, costs->jobs);
  fmt::print("crash-recording: the program takes {:.1f} ms natively, {:.1f} ms with --own-files, {:.1f} ms recorded (and one state checked)\n",
             costs->native_ms, costs->owned_ms, costs->recorded_ms);
  return true;
}

constexpr const char* kPressure = "pressure";

// Against the kernel in a memory cgroup: lines of their own, too.
bool tell_pressure(const Options& options, const std::string& directory) {
  const auto lines = measure_pressure({options.pagefold, PAGEFOLD_BENCH_PROGRAMS, directory, options.only, options.policy, options.quick});
  if (!lines) {
    fmt::print("\n{}: skipped, {}\n", kPressure, lines.error().message());
    return true;
  }
  fmt::print("\nin half of the memory it wants, against a memory cgroup; ns a touch\n");
  bool done = true;
  for (const PressureLine& line : *lines) {
    done = done && line.failure.empty();
    if (!line.failure.empty())
      fmt::print("{:<22} failed: {}\n", line.name, line.failure);
    else
      fmt::print("{:<22} {:>10.0f} {:>10.0f}   {:.2f}  bar {:.1f} {}\n", line.name, line.native_ns, line.pagefold_ns, line.ratio(),
                 line.bar, line.ratio() <= line.bar ? "met" : "missed");
    std::fflush(stdout);
  }
  return done;
}

int run(const Options& options) {
  std::vector<Case> cases = all_cases(PAGEFOLD_BENCH_PROGRAMS);
  std::erase_if(cases, [&](const Case& subject) { return subject.name.find(options.only) == std::string::npos; });
  if (options.list) {
    for (const Case& subject : cases) fmt::print("{}\n", subject.name);
    fmt::print("{}\n", kCrashRate);
    for (const std::string& name : pressure_names()) fmt::print("{}\n", name);
    return 0;
  }
  const bool crash_states = std::string_view(kCrashRate).find(options.only) != std::string_view::npos;
  const bool under_pressure = std::ranges::any_of(
      pressure_names(), [&](const std::string& name) { return name.find(options.only) != std::string::npos; });
  if (cases.empty() && !crash_states && !under_pressure) return complain("no case is called \"" + options.only + "\" (--list)");
  if (!is_installed(options.pagefold)) return complain("no " + options.pagefold + ": make build");
  const Scratch scratch;
  if (scratch.path().empty()) return complain("no temporary directory");
  if (const Result<void> written = write_sources(scratch.path()); !written) return complain(written.error().message());

  const bool on_files = std::ranges::any_of(cases, [](const Case& one) { return one.about_files; });
  if (const Result<void> written = on_files ? write_file_sources(scratch.path()) : Result<void>{}; !written)
    return complain(written.error().message());

  const auto tell_others = [&] {
    const bool rated = !crash_states || tell_crash_costs(options, scratch.path());
    return (!under_pressure || tell_pressure(options, scratch.path())) && rated;
  };
  if (cases.empty()) return tell_others() ? 0 : 1;
  const std::vector<Row> rows = measure_all(cases, {options.pagefold, options.loader, scratch.path(), options.rounds, options.quick});
  if (!options.json.empty()) {
    std::ofstream out(options.json);
    out << to_json(rows);
    out.close();
    if (!out) return complain("cannot write " + options.json);
  }
  const bool failed = !tell_others() || std::ranges::any_of(rows, [](const Row& row) { return !row.failure.empty() && !row.skipped; });
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace pagefold::bench

int main(int argc, char** argv) {
  pagefold::bench::Options options;
  CLI::App app("Measures programs natively and under Pagefold, in turn.");
  app.add_option("--only", options.only, "the cases whose name contains this");
  app.add_option("--rounds", options.rounds, "pairs of runs a case (default: as the case says)");
  app.add_option("--json", options.json, "also write the results to this file");
  app.add_option("--pagefold", options.pagefold, "the pagefold command")->envname("PAGEFOLD");
  app.add_option("--loader", options.loader, "the dynamic loader of the load-* cases")->envname("PAGEFOLD_LOADER");
  app.add_option("--policy", options.policy, "the replacement policy of the pressure-* cases (default: pagefold's own)");
  app.add_flag("--quick", options.quick, "few rounds");
  app.add_flag("--list", options.list, "print the names of the cases");
  CLI11_PARSE(app, argc, argv);
  return pagefold::bench::run(options);
}
