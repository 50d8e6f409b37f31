// See crash.h: the verb. A run is recorded, or a log read; what can be made of the log is in crash_run.h.
#include "cli/crash.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <bit>
#include <chrono>
#include <limits>
#include <memory>

#include "cli/crash_run.h"
#include "cli/output.h"
#include "cli/program_words.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "crash/recorder.h"
#include "host/features.h"
#include "kernel/run.h"
#include "report/code_place.h"

namespace pagefold::cli {
namespace {

using crash::Log;

constexpr const char* kLogName = "run.log";

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

// An exit code that is not kExitClean: it has been told why.
struct Outcome {
  int exit_code = kExitClean;
  Source source;
};

Outcome refused(const std::string& message, int exit_code = kExitUsage) { return {complain(message, exit_code), {}}; }

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

std::string sector_error(const std::string& word) {
  unsigned size = 0;
  const bool is_sector = CLI::detail::lexical_cast(word, size) && size >= 64 && size <= kPageSize && std::has_single_bit(size);
  return is_sector ? "" : word + " is no power of two from 64 to 4096";
}

}  // namespace

int crash_command(const CrashArguments& arguments) {
  const auto model = crash::model_named(arguments.model);
  const Outcome outcome = arguments.log.empty() ? record(arguments) : read_log(arguments);
  if (outcome.exit_code != kExitClean) return outcome.exit_code;
  auto log = Log::read(outcome.source.log_path);
  if (!log) return complain("cannot read the log: " + log.error().message(), kernel::kExitFailed);
  const auto& events = log->events();
  if (std::ranges::none_of(events, [](const crash::Event& e) { return e.kind == crash::EventKind::Create; }))
    return complain("crash: --files: no file was there or came into being that matches " +
                         (arguments.files.empty() ? "the log's pattern" : arguments.files),
                     kExitUsage);
  if (log->bytes_cut() > 0) complain(fmt::format("the log's last {} bytes are torn and left out", log->bytes_cut()));
  const int exit_code = explore_log(arguments, *model, outcome.source, std::move(*log));
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
  crash->add_option("--budget", arguments->budget, "Most states to check")
      ->check(CLI::Range(std::size_t{1}, std::numeric_limits<std::size_t>::max()).description(""))
      ->type_name("N")
      ->capture_default_str();
  crash->add_option("--jobs", arguments->jobs, "Checks at a time; 0: one a processor")
      ->type_name("N")
      ->capture_default_str();
  crash->add_option("--torn", arguments->torn, "Pages may be written in part, by sectors of so many bytes")
      ->check(CLI::Validator(sector_error, "a power of two from 64 to 4096"))
      ->type_name("BYTES");
  crash->add_option("--seed", arguments->seed, "Seed of random choices")->type_name("N")->capture_default_str();
  crash->add_option("--check-timeout", arguments->patience, "A check that takes longer is a violation")
      ->check(CLI::PositiveNumber.description(""))
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
