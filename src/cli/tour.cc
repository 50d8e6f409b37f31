// `pagefold tour [CHAPTER]...`, `pagefold tour --list`. Exit codes: 0 every claim told holds, 1 one does not, 2 there
// is no such chapter, 125 the tour cannot start.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "cli/output.h"
#include "cli/verbs.h"
#include "kernel/run.h"
#include "tour/tour.h"
#include "tour/workshop.h"

namespace pagefold::cli {
namespace {

// Each line is out before the next guest runs: the tour is read while it happens.
void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

Result<tour::Tally> tell(const std::vector<const tour::Chapter*>& chosen, const std::string& loader) {
  tour::Workshop workshop = PAGEFOLD_TRY(tour::Workshop::open(PAGEFOLD_TRY(tour::own_path()), loader));
  const tour::Bench bench{
      [&](const tour::Guest& guest) { return workshop.run(guest); },
      [&](const std::string& name, std::string_view content) { return workshop.write(name, content); },
      [&](const std::string& name) { return workshop.read(name); },
  };
  const bool colour = colour_for(STDOUT_FILENO) == report::Colour::Yes;
  tour::Output output(print, colour ? tour::Colour::Yes : tour::Colour::No);
  return tour::tell(chosen, bench, output);
}

int tour_command(const std::vector<std::string>& chapters, bool list, const std::string& loader) {
  if (list) return print_result(tour::list_of(tour::chapters()));
  const auto chosen = tour::choose(chapters);
  if (!chosen) {
    complain(fmt::format("tour: no chapter '{}'; there are:", chosen.error().context));
    fmt::print(stderr, "{}", tour::list_of(tour::chapters()));
    return kExitUsage;
  }
  const Result<tour::Tally> tally = tell(*chosen, loader);
  if (!tally) return complain("tour: " + tally.error().message(), kernel::kExitFailed);
  return tally->failed == 0 ? 0 : 1;
}

}  // namespace

void add_tour(CLI::App& app, Invocation& invocation) {
  CLI::App* tour = app.add_subcommand("tour", "A lecture on virtual memory, run live and checked");
  auto chapters = std::make_shared<std::vector<std::string>>();
  auto list = std::make_shared<bool>(false);
  tour->add_option("CHAPTER", *chapters, "Chapters to run; all of them if none is given")->type_name("");
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

}  // namespace pagefold::cli
