// `pagefold ps`: the guests of all supervisors that may be asked.
#include <memory>

#include "cli/output.h"
#include "cli/verbs.h"
#include "view/control_client.h"
#include "view/json.h"
#include "view/table.h"

namespace pagefold::cli {
namespace {

int ps_command(bool json) {
  constexpr int kIndent = 2;
  const view::GuestList list = view::list_guests();
  const int exit_code =
      print_result(json ? view::dump(view::list_to_json(list.guests), kIndent) + '\n' : view::ps_table(list.guests));
  for (const std::string& supervisor : list.unanswered) complain(supervisor);
  return list.unanswered.empty() ? exit_code : 1;
}

}  // namespace

void add_ps(CLI::App& app, Invocation& invocation) {
  CLI::App* ps = app.add_subcommand("ps", "List the programs that run under Pagefold now");
  auto json = std::make_shared<bool>(false);
  ps->add_flag("--json", *json, "Print one JSON object, sizes in bytes");
  ps->footer(
      "RSS, PRIVATE and SHARED are resident memory in KiB: all of it, the part of this\n"
      "process alone, and the part that other guests or the page cache hold, too.\n\n"
      "Examples:\n  pagefold ps\n  pagefold ps --json");
  ps->callback([json, &invocation] { invocation.exit_code = ps_command(*json); });
}

}  // namespace pagefold::cli
