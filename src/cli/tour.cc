// `pagefold tour [CHAPTER]...`, `pagefold tour --list`. Exit codes: 0 every claim told holds, 1 one does not, 2 there
// is no such chapter, 125 the tour cannot start.
#include "cli/tour.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tour/tour.h"
#include "tour/workshop.h"

namespace pagefold::cli {
namespace {

constexpr int kUnknownChapter = 2;
constexpr int kFailed = 125;

// Each line is out before the next guest runs: the tour is read while it happens.
void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

tour::Colour colour_for_stdout() {
  const char* no_color = std::getenv("NO_COLOR");
  const bool wanted = ::isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == 0);
  return wanted ? tour::Colour::Yes : tour::Colour::No;
}

Result<tour::Tally> tell(const std::vector<const tour::Chapter*>& chosen, const std::string& loader) {
  tour::Workshop workshop = PAGEFOLD_TRY(tour::Workshop::open(PAGEFOLD_TRY(tour::own_path()), loader));
  const tour::Bench bench{
      [&](const tour::Guest& guest) { return workshop.run(guest); },
      [&](const std::string& name, std::string_view content) { return workshop.write(name, content); },
      [&](const std::string& name) { return workshop.read(name); },
  };
  tour::Output output(print, colour_for_stdout());
  return tour::tell(chosen, bench, output);
}

}  // namespace

int tour_command(const std::vector<std::string>& chapters, bool list, const std::string& loader) {
  if (list) {
    print(tour::list_of(tour::chapters()));
    return 0;
  }
  const auto chosen = tour::choose(chapters);
  if (!chosen) {
    fmt::print(stderr, "pagefold tour: no chapter '{}'; there are:\n{}", chosen.error().context,
               tour::list_of(tour::chapters()));
    return kUnknownChapter;
  }
  const Result<tour::Tally> tally = tell(*chosen, loader);
  if (!tally) {
    fmt::print(stderr, "pagefold tour: {}\n", tally.error().message());
    return kFailed;
  }
  return tally->failed == 0 ? 0 : 1;
}

}  // namespace pagefold::cli
