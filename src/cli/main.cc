// pagefold: the command. Here the verbs are put together and errors of usage told; what each verb does is in its own
// file.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "cli/doctor.h"
#include "cli/program_words.h"
#include "cli/tour.h"
#include "cli/verbs.h"
#include "kernel/run.h"

namespace pagefold::cli {
namespace {

void print_version() { fmt::print("pagefold {}\n", PAGEFOLD_VERSION); }

void add_doctor(CLI::App& app, Invocation& invocation) {
  CLI::App* doctor =
      app.add_subcommand("doctor", "Check what this machine offers Pagefold, and say how to fix the rest");
  auto json = std::make_shared<bool>(false);
  doctor->add_flag("--json", *json, "Print one JSON object");
  doctor->footer("Examples:\n  pagefold doctor");
  doctor->callback([json, &invocation] { invocation.exit_code = doctor_command(*json); });
}

void add_tour(CLI::App& app, Invocation& invocation) {
  CLI::App* tour = app.add_subcommand("tour", "A lecture on virtual memory, run live and checked");
  auto chapters = std::make_shared<std::vector<std::string>>();
  auto list = std::make_shared<bool>(false);
  tour->add_option("CHAPTER", *chapters, "Chapters to run; all of them if none is given");
  auto loader = std::make_shared<std::string>();
  tour->add_flag("--list", *list, "Name the chapters and exit");
  tour->add_option("--loader", *loader, "Who loads the programs' libraries, as for `pagefold run`")
      ->check(CLI::IsMember({"pagefold", "system"}))
      ->type_name("LOADER");
  tour->footer("Examples:\n  pagefold tour\n  pagefold tour --list\n  pagefold tour zeros");
  tour->callback([chapters, list, loader, &invocation] {
    invocation.exit_code = tour_command(*chapters, *list, *loader);
  });
}

// The verb is the first word that is no option; the options before it take no values.
std::string verb_of(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (!word.starts_with('-')) return word;
  }
  return {};
}

bool is_verb(const CLI::App& app, const std::string& name) {
  return !app.get_subcommands([&name](const CLI::App* verb) { return verb->get_name() == name; }).empty();
}

int usage_error(const std::string& message, const std::string& verb) {
  fmt::print(stderr, "pagefold: {}\nTry `pagefold {}--help`.\n", message, verb.empty() ? "" : verb + ' ');
  return verb == "run" ? kernel::kExitFailed : kExitUsage;
}

int pagefold_main(std::vector<std::string> words) {
  CLI::App app("Pagefold: runs unmodified programs on memory that it manages itself, and tells what happened.",
               "pagefold");
  app.footer(
      "Examples:\n  pagefold run -- cat README.md\n  pagefold ps\n\n`pagefold VERB --help` tells more about a verb.");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("pagefold ") + PAGEFOLD_VERSION);

  Invocation invocation;
  add_run(app, invocation);
  add_mrc(app, invocation);
  add_ps(app, invocation);
  add_maps(app, invocation);
  add_smaps(app, invocation);
  add_crash(app, invocation);
  add_replay(app, invocation);
  add_doctor(app, invocation);
  add_tour(app, invocation);
  app.add_subcommand("version", "Print the version")->callback(print_version);

  if (words.empty()) {
    fmt::print(stderr, "{}", app.help());
    return kExitUsage;
  }
  const std::string verb = verb_of(words);
  if (!verb.empty() && !is_verb(app, verb)) return usage_error("unknown verb `" + verb + '`', "");
  if (verb == "run" || verb == "mrc" || verb == "crash") invocation.program = take_program_words(*app.get_subcommand(verb), words);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what(), verb);
  }
  return invocation.exit_code;
}

}  // namespace
}  // namespace pagefold::cli

int main(int argc, char** argv) {
  try {
    return pagefold::cli::pagefold_main({argv + std::min(argc, 1), argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "pagefold: {}\n", error.what());
    return pagefold::kernel::kExitFailed;
  }
}
