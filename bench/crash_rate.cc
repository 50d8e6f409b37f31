#include "bench/crash_rate.h"

#include <cstdlib>
#include <regex>

#include "bench/command.h"

namespace pagefold::bench {

Result<double> crash_rate(const std::string& pagefold, const std::string& programs, const std::string& directory, bool quick) {
  Command command;
  command.argv = {pagefold, "crash",  "--files",  "crash-file",    "--check",  "true",       "--budget",
                  quick ? "500" : "5000", "--output", "crash-out", "--",       programs + "/crash_writer", "crash-file"};
  command.directory = directory;
  const Outcome outcome = PAGEFOLD_TRY(run_command(command));
  std::smatch rate;
  static const std::regex kRate(R"re((\d+) a second; 0 violations)re");
  if (!std::regex_search(outcome.output, rate, kRate)) return fail(EPROTO, ending_of(outcome.status) + ": " + outcome.output);
  return std::atof(rate[1].str().c_str());
}

}  // namespace pagefold::bench
