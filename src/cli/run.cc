// See run.h. Order: what can be known to fail is found before the program starts; the story comes when all has ended.
#include "cli/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <optional>

#include "cli/fail.h"
#include "cli/output.h"
#include "cli/program_words.h"
#include "cli/result_file.h"
#include "cli/verbs.h"
#include "host/features.h"
#include "inject/grammar.h"
#include "kernel/run.h"
#include "reclaim/policy.h"
#include "report/code_place.h"

namespace pagefold::cli {
namespace {

constexpr const char *kOwnLoader = "pagefold", *kSystemLoader = "system";

constexpr const char* kFooter =
    "Everything from the first word that is no option belongs to the program.\n\n"
    "Examples:\n"
    "  pagefold run -- cat README.md\n"
    "  pagefold run -q --json story.json make -j2\n"
    "  pagefold run --fault-around=1 ls -l        one frame a fault: exact accounting\n\n"
    "Exit code: the program's own; 128 + N when signal N ended it; 125 when Pagefold\n"
    "failed or was used wrongly; 126 when the program cannot be executed; 127 when it\n"
    "was not found.";

Result<std::optional<ResultFile>> prepare_json(const std::string& path) {
  if (path.empty()) return std::optional<ResultFile>{};
  return std::optional<ResultFile>{PAGEFOLD_TRY(ResultFile::prepare(path))};
}

// The least that a program can be run in: its loader and libc at work touch about this much at a time.
constexpr Bytes kLeastMemory = Bytes{1} << 20;

// The error of an option's value names the option.
template <class T>
Result<T> value_of(const char* option, Result<T> value) {
  if (!value) return fail(value.error().code, fmt::format("{}: {}", option, value.error().context));
  return value;
}

Result<kernel::MemoryOptions> memory_options(const RunArguments& arguments) {
  kernel::MemoryOptions memory;
  if (arguments.memory.empty()) return memory;
  memory.limit = PAGEFOLD_TRY(value_of("--mem", reclaim::parse_size(arguments.memory)));
  if (memory.limit < kLeastMemory) return fail(EINVAL, fmt::format("--mem: {} is too little to run anything in; at least 1M", arguments.memory));
  memory.policy = arguments.policy;
  memory.swap = PAGEFOLD_TRY(value_of("--swap", reclaim::parse_swap(arguments.swap)));
  return memory;
}

kernel::Loader loader_of(const RunArguments& arguments) {
  if (arguments.loader == kSystemLoader) return kernel::Loader::System;
  return arguments.loader_chosen ? kernel::Loader::Pagefold : kernel::Loader::PagefoldIfThere;
}

void tell(const report::RunSummary& summary) {
  const std::string story = report::render_story(summary, colour_for(STDERR_FILENO));
  std::fwrite(story.data(), 1, story.size(), stderr);
}

// What a machine answers that lacks something, or does not let us have it.
bool is_refused(int code) { return code == EPERM || code == EACCES || code == ENOSYS || code == ENODEV || code == EOPNOTSUPP; }

}  // namespace

Refusal refusal_of(const Error& error, const std::string& program) {
  const bool of_the_program = error.context == program;
  switch (of_the_program ? error.code : 0) {
    case ENOENT:
      return {kernel::kExitNotFound, Error{error.code, program}.message()};
    case EACCES:
    case ENOEXEC:
      return {kernel::kExitNotExecutable, Error{error.code, program}.message()};
    default:
      return {kernel::kExitFailed, error.message() + (is_refused(error.code) ? " (`pagefold doctor` checks this machine)" : "")};
  }
}

// Failures are to come at the same places each time: nothing is written back because time has passed, unless it was asked for.
std::chrono::milliseconds write_back_of(const RunArguments& arguments) {
  constexpr std::chrono::milliseconds kUsual{5000};
  return arguments.write_back.value_or(arguments.failures.empty() ? kUsual : std::chrono::milliseconds(0));
}

int run_command(const RunArguments& arguments) {
  if (asks_for_help(arguments.failures)) return print_result(inject::help());
  const auto memory = memory_options(arguments);
  if (!memory) return complain("run: " + memory.error().context, kernel::kExitFailed);
  const auto failures = read_specs(arguments.failures);
  if (!failures) return complain(failures.error(), kernel::kExitFailed);
  auto json_file = prepare_json(arguments.json_path);
  if (!json_file) return complain("cannot create " + json_file.error().message(), kernel::kExitFailed);
  if (const Result<void> runnable = host::require_runnable(); !runnable) return complain(runnable.error().message(), kernel::kExitFailed);

  auto summary = kernel::run({.command = arguments.program,
                                    .fault_around = arguments.fault_around,
                                    .loader = loader_of(arguments),
                                    .memory = *memory,
                                    .own_files = arguments.own_files || !failures->empty() || memory->limit != 0,
                                    .write_back = write_back_of(arguments),
                                    .failures = *failures,
                                    .seed = arguments.seed});
  if (!summary) {
    const Refusal refusal = refusal_of(summary.error(), arguments.program.front());
    return complain(refusal.message, refusal.exit_code);
  }
  report::find_places(*summary);
  if (!arguments.quiet) tell(*summary);
  if (!json_file->has_value()) return summary->exit_code;
  const Result<void> written = json_file->value().write(report::to_json(*summary));
  if (written) return summary->exit_code;
  complain("cannot write " + written.error().message());
  return summary->exit_code == 0 ? kernel::kExitFailed : summary->exit_code;
}

void add_run(CLI::App& app, Invocation& invocation) {
  constexpr unsigned kLeastWindow = 1, kLargestWindow = 512;  // pages
  CLI::App* run = app.add_subcommand("run", "Run a program on Pagefold's memory and tell its story");
  auto arguments = std::make_shared<RunArguments>();
  run->add_flag("-q,--quiet", arguments->quiet, "Do not tell the story");
  run->add_option("--json", arguments->json_path, "Write the story to a file as JSON (- is standard output)")
      ->type_name("FILE");
  run->add_option("--fault-around", arguments->fault_around, "Most pages that one page fault may bring in")
      ->check(CLI::Range(kLeastWindow, kLargestWindow).description("1..512"))
      ->type_name("N")
      ->capture_default_str();
  CLI::Option* loader = run->add_option("--loader", arguments->loader, "Who loads the libraries of glibc programs; what ld-pagefold.so cannot, the system's loader does")
      ->check(CLI::IsMember({kOwnLoader, kSystemLoader}))
      ->type_name("LOADER")
      ->capture_default_str();
  run->add_option("--mem", arguments->memory, "Limit the page frames of the whole run, for example 64M (docs/pressure.md)")->type_name("SIZE");
  CLI::Option* policy = run->add_option("--policy", arguments->policy, "Which frame goes when there is no room")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(reclaim::kPolicyNames), std::end(reclaim::kPolicyNames))))
      ->type_name("NAME")
      ->capture_default_str();
  CLI::Option* swap = run->add_option("--swap", arguments->swap, "Where private pages go: zram[:SIZE], file:PATH[:SIZE], memory[:SIZE], none")
      ->type_name("WHERE")
      ->capture_default_str();
  run->add_flag("--own-files", arguments->own_files,
                "Own files fully: pages of files that guests write are Pagefold's, too (docs/files.md); --mem does so, too");
  run->add_option("--fail", arguments->failures, "Make calls and touches of mapped pages fail, several times if you like; `--fail help` tells the grammar (docs/failures.md); implies --own-files")
                   ->type_name("SPEC")
                   ->expected(1)
                   ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  CLI::Option* seed = run->add_option("--seed", arguments->seed, "With --fail: of failures by chance; the same seed, the same failures [0]")->type_name("N");
  const std::map<std::string, std::uint64_t> units{{"ms", 1}, {"s", 1000}, {"m", 60'000}};
  run->add_option_function<std::uint64_t>(
         "--writeback", [arguments](std::uint64_t ms) { arguments->write_back = std::chrono::milliseconds(ms); },
         "With --own-files, --mem or --fail: write dirty pages back at least this often; 0s: only when something asks for them [5s; with --fail 0s]")
      ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED).description(""))
      ->type_name("TIME");
  add_program(*run, invocation.program);
  run->footer(kFooter);
  run->callback([arguments, loader, policy, swap, seed, &invocation] {
    if (seed->count() > 0 && arguments->failures.empty()) throw CLI::RequiresError("--seed", "--fail");
    if (arguments->memory.empty() && policy->count() + swap->count() > 0)
      throw CLI::RequiresError(policy->count() > 0 ? "--policy" : "--swap", "--mem");
    if (arguments->write_back && !arguments->own_files && arguments->failures.empty() && arguments->memory.empty())
      throw CLI::RequiresError("--writeback", "--own-files, --mem or --fail");
    if (invocation.program.empty() && !asks_for_help(arguments->failures)) throw CLI::RequiredError("PROGRAM");
    arguments->program = invocation.program;
    arguments->loader_chosen = loader->count() > 0;
    invocation.exit_code = run_command(*arguments);
  });
}

}  // namespace pagefold::cli
