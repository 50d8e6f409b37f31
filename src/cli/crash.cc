// See crash.h. Order: record (or read a log), look at the files as the program left them, explore, shrink the first
// violation, keep it as a case.
#include "cli/crash.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "cli/output.h"
#include "cli/program_words.h"
#include "cli/result_file.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "crash/case_file.h"
#include "crash/describe.h"
#include "crash/recorder.h"
#include "host/features.h"
#include "kernel/run.h"
#include "report/code_place.h"

namespace pagefold::cli {
namespace {

namespace fs = std::filesystem;
using crash::Cut;
using crash::History;
using crash::Log;

constexpr const char* kElsewhere = " (--output names another directory)";
constexpr const char *kLogName = "run.log", *kCaseName = "case.json";

constexpr const char* kFooter =
    "In the check command, {} stands for the rebuilt file if the pattern names one\n"
    "file, else for the directory. PAGEFOLD_CRASH_OUTPUT names a file with what the\n"
    "program had told when the power was cut.\n\n"
    "Examples:\n"
    "  pagefold crash --files 'store/' --check './verify {}' -- ./writer store\n"
    "  pagefold crash --files 'x.db*' \\\n"
    "      --check 'sqlite3 {}/x.db \"pragma integrity_check\" | grep -qx ok' \\\n"
    "      -- ./fill x.db\n"
    "  pagefold crash --log pagefold-crash/run.log --check './verify {}' \\\n"
    "      --model ext4-ordered\n\n"
    "Exit code: 0, no violation; 1, a violation; 2, wrong usage; 3, the budget was\n"
    "too small for the plan; 125, Pagefold failed.";

int fail_with(const std::string& message, int exit_code) {
  complain(message);
  return exit_code;
}

// What is to be explored. The target of a log that was not recorded just now is given by --files, too.
struct Source {
  std::string log_path;
  std::string target;
};

// An exit code that is not kExitClean: it has been told why.
struct Outcome {
  int exit_code = kExitClean;
  Source source;
};

Outcome refused(const std::string& message, int exit_code = kExitUsage) { return {fail_with(message, exit_code), {}}; }

Outcome record(const CrashArguments& arguments) {
  auto selection = crash::Selection::parse(arguments.files);
  if (!selection) return refused("crash: --files: " + selection.error().message());
  if (const Result<void> runnable = host::require_runnable(); !runnable)
    return refused(runnable.error().message(), kernel::kExitFailed);
  if (::mkdir(arguments.output.c_str(), 0777) != 0 && errno != EEXIST)
    return refused("crash: --output: " + Error{errno, arguments.output}.message());
  const Source source{arguments.output + "/" + kLogName, selection->target};
  auto recorder = crash::Recorder::start(std::move(*selection), source.log_path);
  if (!recorder) return refused("cannot record: " + recorder.error().message() + kElsewhere, kernel::kExitFailed);
  kernel::RunOptions options;
  options.command = arguments.program;
  options.file_watch = recorder->get();
  options.own_files = true;
  options.write_back =
      std::chrono::milliseconds(0);  // only when the program has it done, so that every run is told alike
  const auto summary = kernel::run(options);
  if (!summary) {
    const Refusal refusal = refusal_of(summary.error(), arguments.program.front());
    return refused(refusal.message, refusal.exit_code);
  }
  report::PlaceFinder places;
  if (const auto done = (*recorder)->finish([&](const event::CodeSnapshot& code) { return places.find(code); }); !done)
    return refused("cannot record: " + source.log_path + ": " + done.error().message() + kElsewhere, kernel::kExitFailed);
  if (summary->exit_code != 0)
    complain(
        fmt::format("the program ended with exit code {}; what it did is explored all the same", summary->exit_code));
  return {kExitClean, source};
}

Outcome read_log(const CrashArguments& arguments) {
  Source source{arguments.log, {}};
  if (!arguments.files.empty()) {
    const auto selection = crash::Selection::parse(arguments.files);
    if (!selection) return refused("crash: --files: " + selection.error().message());
    source.target = selection->target;
  }
  return {kExitClean, source};
}

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
      return fail_with("no directory for rebuilt files; name one with --scratch", kernel::kExitFailed);
    const auto patience = std::chrono::milliseconds(static_cast<std::int64_t>(arguments_.patience * 1000));
    const auto checker = crash::Checker::create(arguments_.check, patience);
    if (!checker) return fail_with("crash: --check: " + checker.error().message(), kExitUsage);
    const auto exit_code = explore(*checker);
    return exit_code ? *exit_code
                     : fail_with(exit_code.error().message(),
                                 exit_code.error().code == ENOEXEC ? kExitUsage : kernel::kExitFailed);
  }

 private:
  Result<int> explore(const crash::Checker& checker) {
    const Interruptible interruptible;
    crash::Trial trial =
        PAGEFOLD_TRY(crash::Trial::create(history_, checker, source_.target, scratch_.path() + "/trial"));
    const crash::Verdict whole = PAGEFOLD_TRY(check_whole(history_, rules_, trial));
    if (whole.kind != crash::Verdict::Kind::Sound)
      return fail_with(fmt::format("the check refuses the files as the program left them ({}):\n{}",
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
      return fail_with("cannot keep the case: " + kept.error().message() + kElsewhere, kExitViolation);
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
  Scratch scratch_;
};

std::string sector_error(const std::string& word) {
  unsigned size = 0;
  const bool is_sector = CLI::detail::lexical_cast(word, size) && size >= 64 && size <= kPageSize && std::has_single_bit(size);
  return is_sector ? "" : word + " is no power of two from 64 to 4096";
}

}  // namespace

Scratch::Scratch(const std::string& parent) {
  const char* const temporary = ::getenv("TMPDIR");
  for (const std::string& place : {parent, std::string(parent.empty() ? "/dev/shm" : ""),
                                   std::string(temporary != nullptr ? temporary : "/tmp")}) {
    if (place.empty()) continue;
    std::string name = place + "/pagefold-crash-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) continue;
    path_ = name;
    return;
  }
}

Scratch::~Scratch() {
  std::error_code ignored;
  if (usable()) fs::remove_all(path_, ignored);
}

int crash_command(const CrashArguments& arguments) {
  const auto model = crash::model_named(arguments.model);
  const Outcome outcome = arguments.log.empty() ? record(arguments) : read_log(arguments);
  if (outcome.exit_code != kExitClean) return outcome.exit_code;
  auto log = Log::read(outcome.source.log_path);
  if (!log) return fail_with("cannot read the log: " + log.error().message(), kernel::kExitFailed);
  const auto& events = log->events();
  if (std::ranges::none_of(events, [](const crash::Event& e) { return e.kind == crash::EventKind::Create; }))
    return fail_with("crash: --files: no file was there or came into being that matches " +
                         (arguments.files.empty() ? "the log's pattern" : arguments.files),
                     kExitUsage);
  if (log->bytes_cut() > 0) complain(fmt::format("the log's last {} bytes are torn and left out", log->bytes_cut()));
  const int exit_code = CrashRun(arguments, *model, outcome.source, std::move(*log)).run();
  // A verdict that nobody could read is none, unless it is a violation.
  return flush_result() || exit_code != kExitClean ? exit_code : kernel::kExitFailed;
}

void add_crash(CLI::App& app, Invocation& invocation) {
  CLI::App* crash =
      app.add_subcommand("crash", "Run a program, then look for power cuts that its files would not survive");
  auto arguments = std::make_shared<CrashArguments>();
  crash
      ->add_option("--files", arguments->files, "The files to record: a file, a directory, or a pattern in a directory")
      ->type_name("PATTERN");
  crash->add_option("--check", arguments->check, "The command that says by its exit code whether the files are sound")
      ->required()
      ->type_name("CMD");
  crash->add_option("--model", arguments->model, "What reaches the disk")
      ->check(CLI::IsMember({"strict", "posix", "ext4-ordered"}))
      ->type_name("MODEL")
      ->capture_default_str();
  crash->add_option("--budget", arguments->budget, "Most states to check")->type_name("N")->capture_default_str();
  crash->add_option("--jobs", arguments->jobs, "Checks at a time; 0: one a processor")
      ->type_name("N")
      ->capture_default_str();
  crash->add_option("--torn", arguments->torn, "Pages may be written in part, by sectors of so many bytes")
      ->check(CLI::Validator(sector_error, "a power of two from 64 to 4096"))
      ->type_name("BYTES");
  crash->add_option("--seed", arguments->seed, "Seed of random choices")->type_name("N")->capture_default_str();
  crash->add_option("--check-timeout", arguments->patience, "A check that takes longer is a violation")
      ->type_name("SECONDS")
      ->capture_default_str();
  crash->add_option("--output", arguments->output, "Directory for the log and the case")
      ->type_name("DIR")
      ->capture_default_str();
  crash->add_option("--scratch", arguments->scratch, "Where to rebuild files")->type_name("DIR");
  crash->add_option("--log", arguments->log, "Explore a log instead of running a program")->type_name("FILE");
  crash->add_flag("--check-empty", arguments->check_empty, "Check states without any file, too");
  crash->add_flag("--first", arguments->stop_at_first, "Stop at the first violation");
  add_program(*crash, invocation.program);
  crash->footer(kFooter);
  crash->callback([arguments, &invocation] {
    arguments->program = invocation.program;
    if (arguments->log.empty() == arguments->program.empty())
      throw CLI::ValidationError("give either a program or --log");
    if (arguments->log.empty() && arguments->files.empty()) throw CLI::RequiredError("--files");
    invocation.exit_code = crash_command(*arguments);
  });
}

}  // namespace pagefold::cli
