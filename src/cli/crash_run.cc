// See crash_run.h.
#include "cli/crash_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "cli/output.h"
#include "cli/result_file.h"
#include "cli/scratch_directory.h"
#include "cli/verbs.h"
#include "crash/case_file.h"
#include "crash/describe.h"
#include "kernel/run.h"

namespace pagefold::cli {
namespace {

namespace fs = std::filesystem;
using crash::Cut;
using crash::History;
using crash::Log;

constexpr const char* kCaseName = "case.json";

// The files as the program left them must please the checker; else it would call every state broken.
Result<crash::Verdict> check_whole(const History& history, const crash::Rules& rules, crash::Trial& trial) {
  const Cut end(history, rules, history.log().events().size());
  return trial.run(end, crash::Chosen(end.size(), true));
}

void tell(const crash::Exploration& result, double seconds) {
  const char* const extent = result.plan.exhaustive ? "all states"
                             : result.plan.finished ? "a sample, complete as planned"
                                                    : "a part of the plan";
  fmt::print("{} states checked ({}) in {:.1f} s, {:.0f} a second; {} violations\n", result.checked, extent, seconds,
             seconds > 0 ? static_cast<double>(result.checked) / seconds : 0, result.violations);
  if (result.empty > 0) fmt::print("{} states without any file were not checked (--check-empty)\n", result.empty);
}

std::atomic<bool> g_interrupted = false;

// While it lives, SIGINT and SIGTERM end the exploration, and what was found so far is told; a second one ends
// Pagefold.
class Interruptible {
 public:
  Interruptible() {
    struct sigaction action {};
    action.sa_handler = [](int) { g_interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &before_[i]);
  }
  ~Interruptible() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM};
  std::array<struct sigaction, kSignals.size()> before_{};
};

class CrashRun {
 public:
  CrashRun(const CrashArguments& arguments, crash::Model model, Source source, Log log)
      : arguments_(arguments),
        model_(model),
        source_(std::move(source)),
        history_(std::move(log), arguments.torn == 0 ? kPageSize : arguments.torn),
        rules_(crash::rules_of(history_, model)),
        scratch_(arguments.scratch) {}

  int run() {
    if (!scratch_.usable())
      return complain("no directory for rebuilt files; name one with --scratch", kernel::kExitFailed);
    const auto patience = std::chrono::milliseconds(static_cast<std::int64_t>(arguments_.patience * 1000));
    const auto checker = crash::Checker::create(arguments_.check, patience);
    if (!checker) return complain("crash: --check: " + checker.error().message(), kExitUsage);
    const auto exit_code = explore(*checker);
    return exit_code ? *exit_code
                     : complain(exit_code.error().message(),
                                 exit_code.error().code == ENOEXEC ? kExitUsage : kernel::kExitFailed);
  }

 private:
  Result<int> explore(const crash::Checker& checker) {
    const Interruptible interruptible;
    crash::Trial trial =
        PAGEFOLD_TRY(crash::Trial::create(history_, checker, source_.target, scratch_.path() + "/trial"));
    const crash::Verdict whole = PAGEFOLD_TRY(check_whole(history_, rules_, trial));
    if (whole.kind != crash::Verdict::Kind::Sound)
      return complain(fmt::format("the check refuses the files as the program left them ({}):\n{}",
                                   whole.kind == crash::Verdict::Kind::TimedOut
                                       ? fmt::format("no end within {} s, see --check-timeout", arguments_.patience)
                                       : fmt::format("exit code {}", whole.exit_code),
                                   whole.said),
                       kExitUsage);
    fmt::print("{} events recorded; {} changes that can be lost; {} power {} under the model {}\n",
               history_.log().events().size() - history_.log().begin(), history_.atoms().size(), rules_.cuts.size(),
               rules_.cuts.size() == 1 ? "cut" : "cuts", crash::name_of(model_));
    crash::ExploreOptions options;
    options.plan = {arguments_.budget, arguments_.seed};
    options.jobs = arguments_.jobs != 0 ? arguments_.jobs : std::max(1U, std::thread::hardware_concurrency());
    options.check_empty = arguments_.check_empty;
    options.stop_at_first = arguments_.stop_at_first;
    options.target = source_.target;
    options.scratch = scratch_.path();
    options.interrupted = &g_interrupted;
    const bool shows_progress = ::isatty(STDERR_FILENO) == 1;
    const auto started = std::chrono::steady_clock::now();
    const auto result =
        PAGEFOLD_TRY(crash::explore(history_, rules_, checker, options, [&](const crash::Progress& progress) {
          if (shows_progress) fmt::print(stderr, "\r{} states, {} violations ", progress.checked, progress.violations);
        }));
    if (shows_progress) fmt::print(stderr, "\r\033[K");
    tell(result, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count());
    if (g_interrupted) fmt::print("interrupted: this is what was found so far\n");
    if (result.examples.empty()) return result.plan.finished ? kExitClean : kExitBudget;
    // The earliest cut tells the shortest story.
    return shrink(trial, *std::ranges::min_element(result.examples, {},
                                                   [](const crash::Violation& v) { return v.cut->position(); }));
  }

  Result<int> shrink(crash::Trial& trial, const crash::Violation& violation) {
    const crash::Probe probe = [counts = crash::probe_of(trial, arguments_.check_empty)](const Cut& cut,
                                                                                         const crash::Chosen& chosen) {
      return g_interrupted ? Result<std::optional<crash::Verdict>>(std::nullopt) : counts(cut, chosen);
    };
    const auto minimal = PAGEFOLD_TRY(crash::minimise(probe, violation));
    fmt::print("\n{}\n{}", crash::describe_case(history_, minimal),
               crash::describe_events(history_, *minimal.cut, minimal.chosen));
    fmt::print("\n{}", crash::describe_verdict(minimal.verdict));
    const fs::path log(source_.log_path);
    const std::string path = (log.parent_path() / kCaseName).string();
    const crash::CaseFile file{log.filename().string(),
                               arguments_.check,
                               source_.target,
                               model_,
                               history_.grain(),
                               minimal.cut->position(),
                               crash::reached_atoms(*minimal.cut, minimal.chosen),
                               minimal.form};
    // The violation is told above, and can be found again in the log.
    if (const Result<void> kept = keep(path, file); !kept)
      return complain("cannot keep the case: " + kept.error().message() + kElsewhere, kExitViolation);
    fmt::print("`pagefold replay {}` shows this case again.\n", path);
    return kExitViolation;
  }

  static Result<void> keep(const std::string& path, const crash::CaseFile& file) {
    ResultFile out = PAGEFOLD_TRY(ResultFile::prepare(path));
    return out.write(crash::to_json(file));
  }

  const CrashArguments& arguments_;
  crash::Model model_;
  Source source_;
  History history_;
  crash::Rules rules_;
  ScratchDirectory scratch_;
};

}  // namespace

int explore_log(const CrashArguments& arguments, crash::Model model, const Source& source, Log log) {
  return CrashRun(arguments, model, source, std::move(log)).run();
}

}  // namespace pagefold::cli
