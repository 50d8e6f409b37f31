// `pagefold mrc`: runs a program once and tells how many pages it would have to bring in with how much memory.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "cli/output.h"
#include "cli/program_words.h"
#include "cli/result_file.h"
#include "cli/run.h"
#include "cli/verbs.h"
#include "host/features.h"
#include "kernel/run.h"
#include "mrc/curve.h"

namespace pagefold::cli {
namespace {

struct MrcArguments {
  std::vector<std::string> program;
  std::string json_path, from, policy = kernel::MemoryOptions{}.policy;
  std::size_t samples = 8192;
  bool quiet = false;
};

constexpr const char* kFooter =
    "Everything from the first word that is no option belongs to the program, which\nruns slower than under `run`.\n\n"
    "Examples:\n"
    "  pagefold mrc -- sort big.txt\n"
    "  pagefold mrc --json curve.json -q make\n"
    "  pagefold mrc --from curve.json        show it again\n\n"
    "Exit code: as of `run`.";

// No limit: only the pages that are sampled go, and wherever they go there is room.
constexpr Bytes kUnlimited = Bytes{1} << 46;
// What is touched again among so many pages is a hit at every size worth asking for.
constexpr PageIndex kWindow = 256;

int show(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  const auto curve = in ? mrc::from_json(text.str()) : Result<mrc::Curve>(fail(ENOENT));
  if (curve) return print_result(mrc::render(*curve));
  complain("mrc: " + path + ": " + curve.error().message());
  return kernel::kExitFailed;
}

Result<mrc::Curve> measure(const MrcArguments& arguments, int& exit_code) {
  reclaim::ReferenceSampler sampler(arguments.policy, arguments.samples, kWindow);
  kernel::MemoryOptions memory;
  memory.limit = kUnlimited;
  memory.swap = {reclaim::SwapSpec::Kind::Memory, "", kUnlimited};
  memory.sampler = &sampler;
  kernel::RunOptions options;
  options.command = arguments.program;
  options.fault_around = 1;
  options.memory = memory;
  options.own_files = true;
  const auto summary = PAGEFOLD_TRY(kernel::run(options));
  exit_code = summary.exit_code;
  return mrc::make_curve(arguments.program, arguments.policy, sampler.result());
}

int mrc_command(const MrcArguments& arguments) {
  if (!arguments.from.empty()) return show(arguments.from);
  const auto failed = [](const std::string& message) {
    complain("mrc: " + message);
    return kernel::kExitFailed;
  };
  std::optional<ResultFile> json;
  if (!arguments.json_path.empty()) {
    auto prepared = ResultFile::prepare(arguments.json_path);
    if (!prepared) return failed("cannot create " + prepared.error().message());
    json = std::move(*prepared);
  }
  if (const Result<void> runnable = host::require_runnable(); !runnable) return failed(runnable.error().message());
  int exit_code = 0;
  const auto curve = measure(arguments, exit_code);
  if (!curve) {
    const Refusal refusal = refusal_of(curve.error(), arguments.program.front());
    complain(refusal.message);
    return refusal.exit_code;
  }
  if (!arguments.quiet) fmt::print(stderr, "{}", mrc::render(*curve));
  if (json)
    if (const Result<void> written = json->write(mrc::to_json(*curve)); !written) {
      complain("cannot write " + written.error().message());
      return exit_code == 0 ? kernel::kExitFailed : exit_code;
    }
  return exit_code;
}

}  // namespace

void add_mrc(CLI::App& app, Invocation& invocation) {
  CLI::App* mrc = app.add_subcommand("mrc", "Run a program and tell how much memory is enough for it");
  auto arguments = std::make_shared<MrcArguments>();
  mrc->add_flag("-q,--quiet", arguments->quiet, "Do not show the curve");
  mrc->add_option("--json", arguments->json_path, "Write the curve to a file as JSON (- is standard output)")->type_name("FILE");
  mrc->add_option("--from", arguments->from, "Show a curve that --json has written; runs nothing")->type_name("FILE");
  mrc->add_option("--policy", arguments->policy, "The policy of the runs that are foretold")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(reclaim::kPolicyNames), std::end(reclaim::kPolicyNames))))
      ->type_name("NAME")
      ->capture_default_str();
  mrc->add_option("--samples", arguments->samples, "Most pages whose touches are watched")
      ->check(CLI::Range(64, 1'000'000).description("64..1000000"))
      ->type_name("N")
      ->capture_default_str();
  add_program(*mrc, invocation.program);
  mrc->footer(kFooter);
  mrc->callback([arguments, &invocation] {
    if (invocation.program.empty() && arguments->from.empty()) throw CLI::RequiredError("PROGRAM");
    arguments->program = invocation.program;
    invocation.exit_code = mrc_command(*arguments);
  });
}

}  // namespace pagefold::cli
