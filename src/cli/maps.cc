// `pagefold maps PID`: the mappings of a guest, as /proc/PID/maps would show them natively.
#include <memory>

#include "cli/guest.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "view/json.h"
#include "view/proc_text.h"
#include "view/table.h"

namespace pagefold::cli {
namespace {

struct MapsArguments {
  pid_t pid = 0;
  bool pages = false;
  bool json = false;
};

std::string shown(const view::ProcessView& guest, const MapsArguments& arguments) {
  constexpr int kIndent = 2;
  if (arguments.json) return view::dump(view::document(guest), kIndent) + '\n';
  return arguments.pages ? view::pages_table(guest) : view::maps_text(guest);
}

int maps_command(const MapsArguments& arguments) {
  const auto guest = guest_or_complaint(arguments.pid, arguments.pages ? view::WithPages::Yes : view::WithPages::No);
  return guest ? print_result(shown(*guest, arguments)) : 1;
}

}  // namespace

void add_maps(CLI::App& app, Invocation& invocation) {
  CLI::App* maps = app.add_subcommand("maps", "Show the mappings of a running guest, as /proc/PID/maps does");
  auto arguments = std::make_shared<MapsArguments>();
  add_pid(*maps, arguments->pid);
  maps->add_flag("--pages", arguments->pages, "Below each mapping its pages: address, how many, their state");
  maps->add_flag("--json", arguments->json, "Print one JSON object");
  maps->footer(
      "States of pages: absent (costs nothing), clean (a frame of the page cache),\n"
      "private (a frame of this process alone), shared (shared memory), inherited (a\n"
      "parent's, copied when needed), speculative (brought in ahead of need), host\n"
      "(mapped by the host).\n\n"
      "Examples:\n  pagefold maps 4711\n  pagefold maps --pages 4711");
  maps->callback([arguments, &invocation] { invocation.exit_code = maps_command(*arguments); });
}

}  // namespace pagefold::cli
