// `pagefold doctor` prints a line for every feature, two more for a missing one, then what an ordinary user needs once.
#include "cli/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>

#include "cli/output.h"
#include "cli/verbs.h"

namespace pagefold::cli {
namespace {

constexpr int kSchemaVersion = 1;
constexpr std::string_view kGreen = "\033[32m";
constexpr std::string_view kRed = "\033[31m";
constexpr std::string_view kYellow = "\033[33m";
constexpr std::string_view kReset = "\033[0m";

struct Mark {
  std::string_view word;
  std::string_view colour;
};

Mark mark_of(const host::Finding& finding) {
  if (finding.status == host::Status::Present) return {"present", kGreen};
  if (finding.need == host::Need::Required) return {"MISSING", kRed};
  return {"absent", kYellow};
}

std::string render_finding(const host::Finding& finding, bool colour) {
  const Mark mark = mark_of(finding);
  const std::string word = fmt::format("{:<9}", mark.word);
  std::string text = fmt::format("  {}{}", colour ? fmt::format("{}{}{}", mark.colour, word, kReset) : word, finding.title);
  if (!finding.detail.empty()) text += fmt::format(": {}", finding.detail);
  text += '\n';
  if (finding.status == host::Status::Missing) {
    text += fmt::format("           for: {}\n           fix: {}\n", finding.purpose, finding.remedy);
  }
  return text;
}

}  // namespace

std::string render_features(const host::Features& features, bool colour) {
  std::string text = "What Pagefold needs of this machine\n";
  for (const host::Finding& finding : features.findings) text += render_finding(finding, colour);
  text += "\nWhat an ordinary user needs once (root needs none of it)\n";
  for (const host::UserStep& step : features.user_steps) {
    text += fmt::format("  {}:\n           {}\n", step.purpose, step.command);
  }
  text += features.runnable() ? "\n`pagefold run` can run here.\n" : "\n`pagefold run` cannot run here: see MISSING above.\n";
  return text;
}

std::string features_to_json(const host::Features& features) {
  using nlohmann::ordered_json;
  ordered_json findings = ordered_json::array();
  for (const host::Finding& finding : features.findings) {
    const std::size_t text = finding.title.find_first_not_of(' ');
    findings.push_back({{"key", finding.key},
                        {"title", finding.title.substr(text)},
                        {"required", finding.need == host::Need::Required},
                        {"present", finding.status == host::Status::Present},
                        {"detail", finding.detail},
                        {"purpose", finding.purpose},
                        {"fix", finding.remedy}});
  }
  ordered_json steps = ordered_json::array();
  for (const host::UserStep& step : features.user_steps) {
    steps.push_back({{"purpose", step.purpose}, {"command", step.command}});
  }
  const ordered_json document = {{"schema_version", kSchemaVersion},
                                 {"runnable", features.runnable()},
                                 {"features", std::move(findings)},
                                 {"ordinary_user", std::move(steps)}};
  return document.dump(2) + "\n";
}

namespace {

// 0 when `pagefold run` can run here, 1 otherwise.
int doctor_command(bool json) {
  const host::Features features = host::probe_features();
  const int told = print_result(json ? features_to_json(features) : render_features(features, colour_for(STDOUT_FILENO) == report::Colour::Yes));
  return features.runnable() ? told : 1;
}

}  // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
  CLI::App* doctor =
      app.add_subcommand("doctor", "Check what this machine offers Pagefold, and say how to fix the rest");
  auto json = std::make_shared<bool>(false);
  doctor->add_flag("--json", *json, "Print one JSON object");
  doctor->footer("Examples:\n  pagefold doctor");
  doctor->callback([json, &invocation] { invocation.exit_code = doctor_command(*json); });
}

}  // namespace pagefold::cli
