// pagefold: the command. Here the verbs are put together and errors of usage told; what each verb does is in its own
// file.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "cli/help_text.h"
#include "cli/program_words.h"
#include "cli/verbs.h"
#include "kernel/run.h"

namespace pagefold::cli {
namespace {

void print_version() { fmt::print("pagefold {}\n", PAGEFOLD_VERSION); }

bool is_verb(const CLI::App& app, const std::string& name) {
  return !app.get_subcommands([&name](const CLI::App* verb) { return verb->get_name() == name; }).empty();
}

// `run` and `mrc` end with the exit code of a program, which may well be 2.
int usage_error(const std::string& verb, const std::string& message) {
  fmt::print(stderr, "pagefold: {}{}\nTry `pagefold {}--help`.\n", verb.empty() ? "" : verb + ": ", message, verb.empty() ? "" : verb + ' ');
  return verb == "run" || verb == "mrc" ? kernel::kExitFailed : kExitUsage;
}

void add_verbs(CLI::App& app, Invocation& invocation) {
  add_run(app, invocation);
  add_mrc(app, invocation);
  add_ps(app, invocation);
  add_maps(app, invocation);
  add_smaps(app, invocation);
  add_crash(app, invocation);
  add_replay(app, invocation);
  add_doctor(app, invocation);
  add_tour(app, invocation);
  app.add_subcommand("help", "Tell about a verb, as its --help does");
  app.add_subcommand("version", "Print the version")->callback(print_version);
  for (CLI::App* verb : app.get_subcommands({})) verb->group("Verbs");
}

int pagefold_main(std::vector<std::string> words) {
  CLI::App app("Pagefold: runs unmodified programs on memory that it manages itself, and tells\nwhat happened.", "pagefold");
  app.footer(
      "Examples:\n  pagefold run -- cat README.md\n  pagefold ps\n\n`pagefold VERB --help` tells more about a verb.");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("pagefold ") + PAGEFOLD_VERSION, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.formatter(std::make_shared<HelpText>());
  Invocation invocation;
  add_verbs(app, invocation);

  if (words.empty()) {
    fmt::print(stderr, "{}", app.help());
    return kExitUsage;
  }
  if (words.front() == "help" && words.size() <= 2) {  // `help VERB` is `VERB --help`
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  // The verb comes first: the command has no options of its own that go with one.
  const bool is_option = words.front().starts_with('-');
  if (is_option && app.get_option_no_throw(words.front()) == nullptr)
    return usage_error("", "unknown option " + words.front() + "; a verb comes first, then its options");
  const std::string verb = is_option ? "" : words.front();
  if (!is_option && !is_verb(app, verb)) return usage_error("", "unknown verb `" + verb + '`');
  if (verb == "run" || verb == "mrc" || verb == "crash") invocation.program = take_program_words(*app.get_subcommand(verb), words);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return usage_error(verb, error.what());
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
