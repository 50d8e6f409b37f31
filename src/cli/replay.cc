// `pagefold replay CASE`: rebuilds the files of a case, tells the events again and lets the check look once more.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/crash.h"
#include "cli/output.h"
#include "cli/scratch_directory.h"
#include "cli/verbs.h"
#include "crash/case_file.h"
#include "crash/describe.h"
#include "crash/rebuild.h"
#include "kernel/run.h"

namespace pagefold::cli {
namespace {

namespace fs = std::filesystem;

Result<std::string> read_text(const std::string& path) {
  std::ifstream in(path);
  if (!in) return fail_errno(path);
  if (fs::is_directory(path)) return fail(EISDIR, path + " (the case is its case.json)");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Result<int> replay(const ReplayArguments& arguments) {
  const crash::CaseFile file = PAGEFOLD_TRY(crash::case_from_json(PAGEFOLD_TRY(read_text(arguments.path))));
  auto log = PAGEFOLD_TRY(crash::Log::read((fs::path(arguments.path).parent_path() / file.log).string()));
  const crash::History history(std::move(log), file.grain);
  const crash::Rules rules = crash::rules_of(history, file.model);
  crash::MinimalCase again;
  again.cut = std::make_shared<const crash::Cut>(history, rules, file.cut);
  again.chosen = PAGEFOLD_TRY(crash::chosen_atoms(*again.cut, file.reached));
  again.form = file.form;
  const ScratchDirectory scratch("");
  if (!scratch.usable()) return fail(ENOSPC, "a directory for rebuilt files");
  constexpr std::chrono::seconds kPatience{60};
  const auto checker = PAGEFOLD_TRY(crash::Checker::create(file.command, kPatience));
  crash::Trial trial = PAGEFOLD_TRY(crash::Trial::create(history, checker, file.target, scratch.path() + "/trial"));
  fmt::print("{}\n{}", crash::describe_case(history, again), crash::describe_events(history, *again.cut, again.chosen));
  if (!arguments.keep.empty()) {
    PAGEFOLD_CHECK(crash::rebuild(history, crash::image_of(history, again.cut->values(again.chosen)), arguments.keep));
    fmt::print("\nThe files are in {}.\n", arguments.keep);
  }
  const crash::Verdict verdict = PAGEFOLD_TRY(trial.run(*again.cut, again.chosen));
  fmt::print("\nThe check is `{}`.\n{}", file.command, crash::describe_verdict(verdict));
  return verdict.kind == crash::Verdict::Kind::Sound ? kExitClean : kExitViolation;
}

bool is_usage(int code) { return code == EBADMSG || code == ENOENT || code == EISDIR; }

}  // namespace

int replay_command(const ReplayArguments& arguments) {
  // What is there already would be removed.
  if (std::error_code error; !arguments.keep.empty() && fs::exists(arguments.keep, error)) {
    complain("replay: --keep: " + arguments.keep + " exists");
    return kExitUsage;
  }
  const auto exit_code = replay(arguments);
  if (exit_code) return *exit_code;
  complain("replay: " + exit_code.error().message());
  return is_usage(exit_code.error().code) ? kExitUsage : kernel::kExitFailed;
}

void add_replay(CLI::App& app, Invocation& invocation) {
  CLI::App* replay = app.add_subcommand("replay", "Show a case that `pagefold crash` has found again");
  auto arguments = std::make_shared<ReplayArguments>();
  replay->add_option("CASE", arguments->path, "The case file")->required()->type_name("");
  replay->add_option("--keep", arguments->keep, "Rebuild the files in this new directory, and leave them")->type_name("DIR");
  replay->footer("Examples:\n  pagefold replay pagefold-crash/case.json\n\nExit code: 0, the check is content; 1, it is not; 2, wrong usage; 125, Pagefold\nfailed.");
  replay->callback([arguments, &invocation] { invocation.exit_code = replay_command(*arguments); });
}

}  // namespace pagefold::cli
