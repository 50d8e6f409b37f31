#include "bench/crash_rate.h"

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <thread>
#include <vector>

#include "bench/command.h"

namespace pagefold::bench {
namespace {

using Words = std::vector<std::string>;

Words joined(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Result<double> rate_of(const Words& crash, const Words& writer, const std::string& directory, unsigned jobs, bool quick) {
  const Outcome outcome = PAGEFOLD_TRY(
      run_command({joined(joined(crash, {"--jobs", std::to_string(jobs), "--budget", quick ? "500" : "5000", "--"}), writer), directory, {}}));
  std::smatch rate;
  static const std::regex kRate(R"re((\d+) a second; 0 violations)re");
  if (!std::regex_search(outcome.output, rate, kRate)) return fail(EPROTO, ending_of(outcome.status) + ": " + outcome.output);
  return std::atof(rate[1].str().c_str());
}

Result<double> median_ms(const Words& words, const std::string& directory, bool quick) {
  constexpr double kNsPerMs = 1e6;
  std::vector<double> times(quick ? 3 : 11);
  for (double& time : times) time = PAGEFOLD_TRY(run_command({words, directory, {}})).wall_ns / kNsPerMs;
  std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

}  // namespace

Result<CrashCosts> crash_costs(const std::string& pagefold, const std::string& programs, const std::string& directory, bool quick) {
  const Words writer = {programs + "/crash_writer", "crash-file"};
  const Words crash = {pagefold, "crash", "--files", "crash-file", "--check", "true", "--output", "crash-out"};
  CrashCosts costs;
  costs.jobs = std::max(1U, std::thread::hardware_concurrency());
  costs.by_one_job = PAGEFOLD_TRY(rate_of(crash, writer, directory, 1, quick));
  costs.by_all_jobs = PAGEFOLD_TRY(rate_of(crash, writer, directory, costs.jobs, quick));
  costs.native_ms = PAGEFOLD_TRY(median_ms(writer, directory, quick));
  costs.owned_ms = PAGEFOLD_TRY(median_ms(joined({pagefold, "run", "-q", "--own-files", "--"}, writer), directory, quick));
  costs.recorded_ms = PAGEFOLD_TRY(median_ms(joined(joined(crash, {"--budget", "1", "--"}), writer), directory, quick));
  return costs;
}

}  // namespace pagefold::bench
