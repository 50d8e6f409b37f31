// `pagefold smaps PID`: the mappings of a guest with their memory, as /proc/PID/smaps would show them natively.
#include <memory>

#include "cli/guest.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "view/json.h"
#include "view/proc_text.h"

namespace pagefold::cli {
namespace {

struct SmapsArguments {
  pid_t pid = 0;
  bool json = false;
};

int smaps_command(const SmapsArguments& arguments) {
  constexpr int kIndent = 2;
  const auto guest = guest_or_complaint(arguments.pid, view::WithPages::No);
  if (!guest) return 1;
  return print_result(arguments.json ? view::dump(view::document(*guest), kIndent) + '\n' : view::smaps_text(*guest));
}

}  // namespace

void add_smaps(CLI::App& app, Invocation& invocation) {
  CLI::App* smaps =
      app.add_subcommand("smaps", "Show what each mapping of a running guest holds, as /proc/PID/smaps does");
  auto arguments = std::make_shared<SmapsArguments>();
  add_pid(*smaps, arguments->pid);
  smaps->add_flag("--json", arguments->json, "Print one JSON object, sizes in bytes");
  smaps->footer("Examples:\n  pagefold smaps 4711");
  smaps->callback([arguments, &invocation] { invocation.exit_code = smaps_command(*arguments); });
}

}  // namespace pagefold::cli
